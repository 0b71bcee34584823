"""Best values of settings, and the values that searches tried."""
