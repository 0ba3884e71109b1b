"""Values of ctx and of parameters: how they are found, checked, compared and named in messages."""
