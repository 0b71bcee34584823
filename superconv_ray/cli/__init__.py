"""The `superconv` command, and the command line of a study file."""
