"""Running a plan on Ray Tune; the only place that knows Tune."""
