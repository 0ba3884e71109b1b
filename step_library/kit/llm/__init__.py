"""Calls to language models: a service or an offline echo, with tries, a budget, a cache and records."""
