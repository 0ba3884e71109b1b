"""Steps that tell one another, other programs and people what has happened: events, alerts, messages."""
