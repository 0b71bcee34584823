"""Which arm is better, by how much, and what would decide it."""
