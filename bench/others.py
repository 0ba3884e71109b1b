"""What the loops of the other engines have in common.

Each runs in its synchronous mode, SQLite set as it sets it, and carries the weight as a value of its state.
"""

from __future__ import annotations

import os
import sqlite3
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import clock
from bench.ballast import MIB
from bench.clock import Loop

SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def disk_used(where: Path) -> int:
    return sum(os.path.getsize(entry) for entry in os.scandir(where) if entry.is_file())


def capped_loop(where: Path, steps: int, most_seconds: float, most_disk: int) -> Loop:
    def full() -> bool:
        return disk_used(where) >= most_disk

    return clock.start(Loop(steps, most_seconds=most_seconds, full=full))


def sqlite_settings(connection: sqlite3.Connection) -> str:
    journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    return f"SQLite journal_mode={journal} synchronous={SYNCHRONOUS[synchronous]}"


def found_of(loop: Loop, counted: int, where: Path, package: str, connection: sqlite3.Connection) -> dict[str, Any]:
    """The loop's times, after a look at whether the engine counted as many steps as were made."""
    if counted != len(loop.stamps):
        raise RuntimeError(f"{package} counted {counted} steps, {len(loop.stamps)} were made")
    used = disk_used(where)
    about = f"{package} {version(package)}, {sqlite_settings(connection)}"
    return loop.summary(f"{about}, {len(loop.stamps)} steps, {used / MIB:.0f} MiB on disk") | {"disk": used}
