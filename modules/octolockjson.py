"""The locking mechanism that the documents import: any JSON file, read and changed under its lock."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from octo.store import LockedJson

octolockjson = LockedJson

__all__ = ["LockedJson", "octolockjson"]
