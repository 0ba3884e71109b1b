"""What the documents import to write a scriptlet as a class: `BaseScriptlet`, `register_scriptlet`."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # imported from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[2]))

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
