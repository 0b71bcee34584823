"""What a user writes, and what it becomes: `study` and `trial` in, `building.make_plan` out."""
