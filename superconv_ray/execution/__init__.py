"""Runs a plan, in this process or in parallel on Ray Tune; call `session.run_plan`."""
