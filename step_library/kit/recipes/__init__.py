"""Recipes as files that steps read and write."""
