"""What steps send over a network: with a time-out, tried again, secrets only from the environment."""
