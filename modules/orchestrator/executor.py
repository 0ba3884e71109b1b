"""`Executor` and `run_recipe`, under their second name."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from octo.recipe.documented import Executor, run_recipe

__all__ = ["Executor", "run_recipe"]
