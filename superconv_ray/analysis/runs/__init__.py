"""What single trainings did: curves, schedules, batch-norm statistics, times."""
