"""Frames in, frames out: what results say, grouped by the question."""
