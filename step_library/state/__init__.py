"""Steps that keep, restore and remember the state of ctx."""
