"""Which trial runs next: the planner, and the selection of settings that a study leaves open."""
