"""Running a plan: in this process, or in parallel on Ray Tune."""
