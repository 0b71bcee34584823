"""Checks whether a cluster can run a study: facts from every node, findings, and advice."""
