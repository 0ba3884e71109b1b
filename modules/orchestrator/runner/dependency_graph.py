"""Tasks and what they depend on: `DependencyGraph`."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from octo.recipe.dependency_graph import DependencyGraph

__all__ = ["DependencyGraph"]
