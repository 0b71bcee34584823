"""Runs a plan on Ray Tune, and is the only place that knows Tune; call `runner.run_ray`."""
