"""A store's scorecard: every claim of the literature, and what the store's studies say of it."""
