"""Results on disk or in an object store. `open_store` and `Store` read them as pandas frames."""
