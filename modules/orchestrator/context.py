"""The shared data of the steps, under the name that the documents import."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from octo.context import Context, expose_for_shell

__all__ = ["Context", "expose_for_shell"]
