"""Files that steps read and write: whole or not at all, locked where several write."""
