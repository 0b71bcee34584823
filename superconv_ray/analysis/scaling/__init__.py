"""How accuracy scales with the number of labels."""
