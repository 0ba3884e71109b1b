#!/usr/bin/env python3
"""`RecipeParser` and its command line, `validate RECIPE`."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # run by path from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from octo.cli.runner import parser_main as main
from octo.recipe.documented import RecipeParser

EnhancedRecipeParser = RecipeParser

__all__ = ["EnhancedRecipeParser", "RecipeParser", "main"]

if __name__ == "__main__":
    sys.exit(main())
