"""Reports of what ran, as tables in the terminal, in Markdown and in HTML; pictures of plans and runs."""
