"""ctx_bg_trace at its documented path, as a program and to be imported; its code is in step_library."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # run by path from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[4]))

if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_bg_trace")
else:
    from octo.shared_names import stand_in_for

    stand_in_for(__name__)
