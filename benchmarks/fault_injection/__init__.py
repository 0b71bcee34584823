"""The parts of `benchmarks.faults`: damaged files, killed runs, and drivers that sleep and wake."""
