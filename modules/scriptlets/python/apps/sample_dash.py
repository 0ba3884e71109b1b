#!/usr/bin/env python3
"""The documented path of the dashboard sample_dash, which stands in `step_library/apps`."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # run by path from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[4]))

from octo.cli.exec import step_main
from step_library.apps import sample_dash

if __name__ == "__main__":
    step_main("sample_dash")
else:
    sys.modules[__name__] = sample_dash
