"""How the error falls with the number of labels."""
