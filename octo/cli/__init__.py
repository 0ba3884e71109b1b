"""The `octo` command: one module for each group of commands, nothing but argument handling and printing."""
