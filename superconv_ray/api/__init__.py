"""The Python front door: run a study, plan it, read its results, find a learning rate."""
