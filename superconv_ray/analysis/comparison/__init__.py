"""Which arm is better, by how much, and how many seeds would decide it."""
