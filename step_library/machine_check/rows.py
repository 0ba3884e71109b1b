"""The table of samples in ctx["rows"]: one row for each visit of `baseline` and of `load`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from step_library.machine_check import measure

# What only a pulse of load gives; empty in a baseline row, so that all rows have the same columns.
LOAD_COLUMNS = ("hash_mib_s", "memory_mib_s", "disk_write_mib_s", "disk_read_mib_s", "errors")


class Sample:
    """One row in the making: processor use counts from here until `take`."""

    def __init__(self, ctx: Any, phase: str) -> None:
        self.ctx, self.phase = ctx, phase
        self.begun = time.monotonic()
        psutil.cpu_percent()  # sets the mark that the next call counts from

    def take(self, load: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read the sensors, append the row (with the figures of a pulse of load, if any) and return it."""
        measured = time.monotonic() - self.begun
        table = self.ctx["rows"]
        before = table[-1]["second"] if len(table) else 0.0
        row = {
            "try": self.ctx["try"],
            "phase": self.phase,
            "sample": taken(self.ctx, self.phase) + 1,
            "time": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            # Seconds of measuring, not of the clock: a run stopped for a day has no gap in its chart.
            "second": round(before + measured, 2),
            "cpu_percent": psutil.cpu_percent(),
            **measure.sensors(Path.cwd()),
            **{column: (load or {}).get(column) for column in LOAD_COLUMNS},
        }
        table.append(row)
        return row


def taken(ctx: Any, phase: str) -> int:
    """How many rows of `phase` the present try has."""
    return sum(row["phase"] == phase and row["try"] == ctx["try"] for row in ctx["rows"])
