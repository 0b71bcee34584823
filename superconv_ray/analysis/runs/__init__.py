"""Single trainings: their learning curves, schedules, batch-norm statistics and times."""
