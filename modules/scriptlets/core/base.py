"""`BaseScriptlet` and the registry, under the second name that the documents import them by."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from octo.scriptlet import (
    BaseScriptlet,
    Param,
    ScriptletResult,
    load_folder,
    register_scriptlet,
    registered,
    resolve,
    scriptlet,
)

__all__ = [
    "BaseScriptlet",
    "Param",
    "ScriptletResult",
    "load_folder",
    "register_scriptlet",
    "registered",
    "resolve",
    "scriptlet",
]
