"""The columns of a report's tables: their heads, and how a row's value is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from octo.engine.dot_text import amount, duration
from octo.report.entries import is_number, time_text

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], str], bool]
"""Its head, the text of its cell, and whether that is a number."""


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: "" if row.get(name) is None else str(row[name])


def _in(name: str, shown: Callable[[Any], str]) -> Callable[[Row], str]:
    """A number as people read it; something else as it stands."""
    return lambda row: shown(row[name]) if is_number(row.get(name)) else _text(name)(row)


def _size(value: float) -> str:
    return f"-{amount(int(-value))}" if value < 0 else amount(int(value))


def _growth(value: float) -> str:
    return f"+{_size(value)}" if value > 0 else _size(value)


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _count(value: float) -> str:
    return f"{value:,}" if value else ""


def _time(name: str) -> Callable[[Row], str]:
    return lambda row: time_text(row.get(name))


def usage_of(row: Row) -> Mapping[str, Any]:
    """What a step used, as the engine measured it."""
    found = row.get("usage")
    return found if isinstance(found, Mapping) else {}


def _memory(row: Row) -> str:
    usage = usage_of(row)
    rss = usage.get("rss")
    return f"{amount(rss)}{'*' if usage.get('shared') else ''}" if is_number(rss) and rss else ""


def _said(row: Row) -> str:
    """What is to be said of a step: its items, its error, or why it ran or did not."""
    items = row.get("items") or {}
    parts = [", ".join(f"{number:,} {status}" for status, number in items.items())] if items else []
    error = row.get("error")
    if isinstance(error, Mapping):
        parts.append(f"{error.get('type')}: {error.get('message')}")
    elif row.get("status") in ("SKIPPED", "LEFT_OUT", "CACHED"):
        parts.append(str(row.get("reason") or ""))
    return "; ".join(part for part in parts if part)


def _event(row: Row) -> str:
    """What an entry of the trace says, whoever wrote it."""
    return next((str(row[name]) for name in ("info", "msg", "message", "event", "error") if row.get(name)), "")


SUMS: list[Column] = [
    ("step", lambda row: f"{row['step']}{'*' if row.get('shared') else ''}", False),
    ("times", _in("count", _count), True),
    ("in all", _in("total", duration), True),
    ("mean", _in("mean", duration), True),
]
STEPS: list[Column] = [
    ("step", _text("name"), False),
    ("status", _text("status"), False),
    ("tries", _text("attempt"), True),
    ("start", _time("start"), False),
    ("time", _in("seconds", duration), True),
    ("CPU", lambda row: _in("cpu", duration)(usage_of(row)), True),
    ("memory", _memory, True),
    ("", _said, False),
]
NODES: list[Column] = [
    ("node", _text("name"), False),
    ("visits", _text("visits"), True),
    ("time", _in("seconds", duration), True),
    ("first visit", _time("first"), False),
    ("last visit", _time("last"), False),
]
TIMINGS: list[Column] = [
    *SUMS,
    ("shortest", _in("min", duration), True),
    ("longest", _in("max", duration), True),
    ("errors", _in("errors", _count), True),
]
MEMORY: list[Column] = [
    *SUMS,
    ("grew by", _in("mem_delta", _growth), True),
    ("peak", _in("mem_peak", _size), True),
    ("errors", _in("errors", _count), True),
    ("kept in", lambda row: f"ctx[{row['kept_in']!r}]", False),
]
RESOURCES: list[Column] = [
    *SUMS,
    ("CPU", _in("cpu", _percent), True),
    ("memory", _in("mem_end", _size), True),
    ("grew by", _in("mem_delta", _growth), True),
    ("peak", _in("mem_peak", _size), True),
    ("disk", _in("disk_delta", _growth), True),
    ("errors", _in("errors", _count), True),
]
AUDIT: list[Column] = [
    ("step", _text("step"), False),
    ("status", _text("status"), False),
    ("start", _time("start"), False),
    ("time", _in("duration", duration), True),
    ("who", _text("who"), False),
    ("error", _text("error"), False),
]
TRACE: list[Column] = [
    ("time", _time("timestamp"), False),
    ("level", _text("level"), False),
    ("step", _text("step"), False),
    ("what happened", _event, False),
]
ERRORS: list[Column] = [
    ("time", _time("timestamp"), False),
    ("step", _text("step"), False),
    ("error", _text("error"), False),
]
