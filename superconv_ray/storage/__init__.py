"""Results on disk or in an object store: `open_store` reads them as pandas frames."""
