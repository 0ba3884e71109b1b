#!/usr/bin/env python3
"""The helper script of the documents: the parameter command line under its second name."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # run by path from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from octo.documented import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
