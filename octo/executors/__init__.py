"""Where the body of a step runs: worker processes, programs, background jobs; and what it used."""
