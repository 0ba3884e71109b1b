"""An acceptance check of the computer that it runs on, as a test bench would do it.

identify -> baseline (a sample a visit) -> load (a pulse of load and a sample a visit) -> check_limits
-> report, by way of cool_down and a new try where a figure is marginal, and of diagnose where it fails.
"""
