"""How many more steps or labels a baseline needs to reach an arm's accuracy."""
