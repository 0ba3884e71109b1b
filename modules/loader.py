"""`load_state`, under the second name that the documents use."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from octo.recipe.saved_state import load_state, save_state

__all__ = ["load_state", "save_state"]
