"""Reports of the example libraries: text, tables and charts."""
