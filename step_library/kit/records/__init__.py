"""What steps tell of themselves in ctx, and how people look at it."""
