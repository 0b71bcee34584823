"""Intervals, tests and replicates that every analysis rests on."""
