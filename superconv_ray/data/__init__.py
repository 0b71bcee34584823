"""Data sets as resident tensors, nested stratified subsets, and device-side batches."""
