"""Figures from the rows of one try, and the limits that they are held against.

A limit is a parameter called `max_<figure>` or `min_<figure>`; its value is a number, or null for "not
checked". So a figure gets a limit that it did not have by writing one parameter.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PASS, MARGINAL, FAIL, NOT_MEASURED = "pass", "marginal", "fail", "not measured"

# figure -> (what people call it, unit)
FIGURES = {
    "cpu_percent": ("Processor in use before the load (median)", "%"),
    "memory_percent": ("Memory in use (highest)", "%"),
    "disk_percent": ("Disk in use (highest)", "%"),
    "temperature_c": ("Temperature (highest)", "°C"),
    "hash_mib_s": ("SHA-256, all threads (median)", "MiB/s"),
    "memory_mib_s": ("Memory copied (median)", "MiB/s"),
    "disk_write_mib_s": ("Disk written and synced (median)", "MiB/s"),
    "disk_read_mib_s": ("Disk read back (median)", "MiB/s"),
    "errors": ("Wrong results under load", ""),
}


def figures_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """One number for each figure from the rows of one try; None for what was not measured."""
    idle = [row for row in rows if row["phase"] == "baseline"]
    load = [row for row in rows if row["phase"] == "load"]
    figures: dict[str, float | None] = {"cpu_percent": _of(statistics.median, idle, "cpu_percent")}
    for key in ("memory_percent", "disk_percent", "temperature_c"):
        figures[key] = _of(max, rows, key)
    for key in ("hash_mib_s", "memory_mib_s", "disk_write_mib_s", "disk_read_mib_s"):
        figures[key] = _of(statistics.median, load, key)
    figures["errors"] = _of(sum, load, "errors")
    return figures


def check(
    figures: Mapping[str, float | None], limits: Mapping[str, Any], margin_percent: float
) -> list[dict[str, Any]]:
    """One entry for each limit: figure, value, limit, outcome.

    Beyond its limit by no more than `margin_percent` of it, a figure is marginal. What could not be
    measured (a machine without sensors) is said to be so and fails nothing.

    Raises ValueError for a limit that names no figure or is no number.
    """
    return [
        _check_one(key, limits[key], figures, margin_percent) for key in limits if key[:4] in ("max_", "min_")
    ]


def worst(outcomes: Iterable[str]) -> str:
    """The verdict on the machine: fail before marginal before pass."""
    seen = set(outcomes)
    return FAIL if FAIL in seen else MARGINAL if MARGINAL in seen else PASS


def _check_one(
    key: str, limit: Any, figures: Mapping[str, float | None], margin_percent: float
) -> dict[str, Any]:
    figure = key[4:]
    if figure not in figures:
        raise ValueError(f"limit {key}: there is no figure {figure!r}; there are: {', '.join(figures)}")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, (int, float))):
        raise ValueError(f"limit {key}: {limit!r} is not a number (null = not checked)")
    value = figures[figure]
    if value is None:
        outcome = NOT_MEASURED
    elif limit is None:
        outcome = "not checked"
    else:
        beyond = value - limit if key.startswith("max_") else limit - value
        outcome = PASS if beyond <= 0 else MARGINAL if beyond <= abs(limit) * margin_percent / 100 else FAIL
    return {"figure": figure, "kind": key[:3], "value": value, "limit": limit, "outcome": outcome}


def _of(summary: Any, rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = [row[key] for row in rows if row[key] is not None]
    return round(summary(values), 1) if values else None
