"""Steps that start, repeat, queue and watch other work."""
