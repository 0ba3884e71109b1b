"""Messages to people: the channels that they go by, and how they are sent, tried again and recorded."""
