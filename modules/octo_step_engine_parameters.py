#!/usr/bin/env python3
"""The documented class and its command line, under the name that the documents import."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # run by path from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from octo.documented import main, octo_step_engine_parameters

__all__ = ["main", "octo_step_engine_parameters"]

if __name__ == "__main__":
    sys.exit(main())
