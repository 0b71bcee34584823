"""Answers from result tables: frames in, frames out."""
