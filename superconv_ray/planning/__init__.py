"""Which trial runs next: the `planner`, and how cells choose settings that a study leaves open."""
