"""Text that is made from values of ctx."""
