"""A state machine that fails by a seeded chance, and the two ways to try again.

statemachine counts its own tries and leaves ERROR by its failure arrow; fetch leaves the trying to the
engine's `retry` flag.
"""
