"""How many more steps an arm needs for the same accuracy."""
