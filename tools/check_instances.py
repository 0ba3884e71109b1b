#!/usr/bin/env python3
"""Check every instance below a directory: are the JSON and the journal whole, and where does each stand?

    python tools/check_instances.py ~/benches

One line an instance; exit code 1 when one is damaged. What is damaged is left as it is: `octo recover DIR`
mends it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

try:
    import octo  # noqa: F401
except ModuleNotFoundError:  # in a checkout where nothing is installed
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from octo.errors import OctoError
from octo.store import GLOBAL, JOURNAL_FILE, PARAMETER_FILE, ParameterStore


def instances(top: Path) -> Iterator[Path]:
    """The directories below `top` (and `top` itself) that have an instance's files."""
    found = {path.parent for name in (PARAMETER_FILE, JOURNAL_FILE) for path in top.rglob(name)}
    yield from sorted(found)


def verdict(directory: Path) -> tuple[bool, str]:
    """Whether the instance is whole, and a line that says so."""
    try:
        store = ParameterStore(directory)
        state = store.get(GLOBAL, "step_engine_state", default="")
        changes = len(store.history())
        owner = store.running()
    except OctoError as error:
        return False, f"{directory}: {error.message}"
    running = f", run by {owner}" if owner else ""
    return True, f"{directory}: whole, {state or 'no state'}, {changes} changes kept{running}"


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("directory", type=Path, nargs="?", default=Path(), help="default: here")
    top = parser.parse_args().directory
    if not top.is_dir():
        print(f"there is no directory {top}", file=sys.stderr)
        return 2
    verdicts = [verdict(directory) for directory in instances(top)]
    for _, line in verdicts:
        print(line)
    if not verdicts:
        print(f"no instance below {top}")
    return 0 if all(whole for whole, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
