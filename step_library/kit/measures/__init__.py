"""Time, memory and load of a block of code."""
