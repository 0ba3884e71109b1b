"""The documented paths of the ready-made steps: `scriptlets.python.core.NAME`, `.steps.NAME` and `.apps.NAME`."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from octo.shared_names import find_steps

find_steps()
