"""How much memory this process holds, in bytes.

Not `getrusage`: its peak is inherited from the process that started this one.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def peak() -> int:
    """The most it ever held; where the system does not say (outside Linux and Windows), what it holds now."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return int(getattr(psutil.Process().memory_info(), "peak_wset", resident()))


def forget_peak() -> None:
    """From now on `peak` is the most since now, where the system can do that (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def summary(at_rest: int, note: str) -> dict[str, Any]:
    """Memory in the form of a measured series: `median` at rest, `worst` the peak."""
    return {"median": at_rest, "worst": peak(), "note": note}
