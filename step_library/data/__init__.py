"""Steps that look at, sum up and change the data in ctx."""
