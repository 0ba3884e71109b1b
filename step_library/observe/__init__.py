"""Steps that tell what happens in a run: log, trace, time, memory, audit."""
