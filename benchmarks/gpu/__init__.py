"""The acceptance run on a GPU; see `benchmarks.gpu.__main__`."""
