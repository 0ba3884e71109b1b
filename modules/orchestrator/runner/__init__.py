"""What `from orchestrator.runner import ...` gives: this package stands for `runner.py` beside it as well."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from octo.cli.runner import main
from octo.recipe.documented import Executor, run_recipe
from octo.recipe.saved_state import load_state, save_state

__all__ = ["Executor", "load_state", "main", "run_recipe", "save_state"]
