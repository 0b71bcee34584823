"""Which value of a setting is best, and what searches tried."""
