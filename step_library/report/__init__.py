"""Steps that write reports for people: filled templates, audits, differences, pictures of recipes."""
