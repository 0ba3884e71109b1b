"""Side-by-side benchmarks: what Octo's steps cost, beside yardsticks measured in the same run."""
