"""What a user writes (trials, studies, arms, sweeps, budgets), and the plan that it becomes."""
