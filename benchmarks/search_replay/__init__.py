"""Replay searches on real grids of trainings: the regret of each way to search and to choose."""
