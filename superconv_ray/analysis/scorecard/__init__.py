"""Which claims of the literature a store's studies confirm: claims as data, and their judges."""
