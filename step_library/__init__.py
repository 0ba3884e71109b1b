"""Ready-made steps, grouped by what they are for, and what their reports are drawn with."""
