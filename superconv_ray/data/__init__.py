"""Data sets in memory or in files, nested stratified subsets, and batches on the device."""
