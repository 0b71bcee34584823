"""Running a study: in this process, or on a cluster with Ray Tune."""
