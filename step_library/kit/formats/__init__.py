"""Tables in files: CSV, Excel and SQLite, row by row."""
