"""Steps that read and write files: JSON, YAML, CSV, Excel, SQLite, and the lock that goes with them."""
