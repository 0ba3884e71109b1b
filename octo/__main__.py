"""`python -m octo`: the same as the command `octo`. By its path also in a checkout that is not installed."""

import sys
from pathlib import Path

if __name__ == "__main__" and __spec__ is None:
    del sys.path[0]  # this folder, whose modules are not to be found by their bare names
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from octo.cli.main import main

if __name__ == "__main__":
    main()
