"""Events in ctx: which of them fit, who is told of them."""
