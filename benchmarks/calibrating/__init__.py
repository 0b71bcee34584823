"""Which reading of an LR range test finds the max_lr that full trainings do best at."""
