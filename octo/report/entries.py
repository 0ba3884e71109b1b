"""Entries that steps leave in ctx["step_times"], ["audit"], ["trace"] and the like, as readers take them.

Several writers may share a list, so a field may be missing and an entry may be something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from octo.errors import ShapeError


def moment(entry: Mapping[str, Any]) -> float | None:
    """When an entry was written, in epoch seconds; None where it does not say so."""
    for name in ("timestamp", "start"):
        try:
            return as_moment(entry[name])
        except (KeyError, ShapeError):
            continue
    return None


def as_moment(given: Any) -> float:
    """Epoch seconds of a time: a number, or text such as `2025-01-31 23:59:59` (local) or ISO 8601."""
    if is_number(given):
        return float(given)
    try:
        return datetime.fromisoformat(given.replace("Z", "+00:00")).timestamp()
    except (ValueError, TypeError, AttributeError, OverflowError, OSError):
        raise ShapeError(f"a time is epoch seconds or text such as 2025-01-31 23:59:59, not {given!r:.60}") from None


def time_text(given: Any) -> str:
    """A time for people, local: 2025-01-31 23:59:59; what is no time as it stands."""
    try:
        return datetime.fromtimestamp(as_moment(given)).strftime("%Y-%m-%d %H:%M:%S")
    except (ShapeError, ValueError, OverflowError, OSError):
        return "" if given is None else str(given)


def sums(entries: Iterable[Any]) -> list[dict[str, Any]]:
    """One row a step, the one that took longest in all first: `{step, count, total, mean, min, max, errors}`.

    `mem_delta` (sum) and `mem_peak` (largest) are in it where the records have them. Other entries are left out.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        if isinstance(entry, Mapping) and is_number(entry.get("duration")):
            found.setdefault(str(entry.get("step", entry.get("key"))), []).append(entry)
    rows = []
    for step, each in found.items():
        times = [entry["duration"] for entry in each]
        row = {"step": step, "count": len(times), "total": sum(times), "mean": sum(times) / len(times),
               "min": min(times), "max": max(times), "errors": sum("error" in entry for entry in each)}
        for name, of in (("mem_delta", sum), ("mem_peak", max)):
            values = [entry[name] for entry in each if is_number(entry.get(name))]
            if values:
                row[name] = of(values)
        rows.append(row)
    return sorted(rows, key=lambda row: -row["total"])


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
