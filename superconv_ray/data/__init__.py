"""Data sets in memory, nested stratified subsets of their labels, and batches on the device."""
