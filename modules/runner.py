#!/usr/bin/env python3
"""The documented command line that runs recipes, and `save_state` / `load_state`."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # run by path from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from octo.cli.runner import main
from octo.recipe.documented import Executor, run_recipe
from octo.recipe.saved_state import load_state, save_state

__all__ = ["Executor", "load_state", "main", "run_recipe", "save_state"]

if __name__ == "__main__":
    sys.exit(main())
