"""Studies as users write them (`study`, `trial`), and the plans they become (`building`)."""
