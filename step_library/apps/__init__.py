"""Dashboards in the browser: they show a run while it goes on, and ask people."""
