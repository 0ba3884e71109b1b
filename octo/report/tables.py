"""What `read_instance` found, as a report with tables."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from octo.engine.dot_text import amount, duration
from octo.report.entries import is_number, time_text
from octo.report.pages import Report, Section, Table, Verdict

KINDS: dict[str, Verdict] = {"COMPLETE_SUCCESS": "good", "COMPLETE_ERROR": "bad", "interrupted": "bad"}
FAILED = ("FAILED", "error", "failed", "ERROR")
Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], str], bool]
"""Its head, the text of its cell, and whether that is a number."""


def report_of(found: Mapping[str, Any], most: int = 0) -> Report:
    """The report on an instance; of long lists the newest `most` entries (0: all)."""
    return Report(
        title=f"Report on {found['directory']}",
        verdict=found["state"],
        kind=KINDS.get(found["state"], "warning"),
        summary=_summary(found),
        sections=sections_of(found, most),
        made=time_text(time.time()),
    )


def sections_of(found: Mapping[str, Any], most: int = 0) -> list[Section]:
    """One section for each kind of thing that there is."""
    steps = [{"name": name, **entry} for name, entry in found["steps"].items()]
    nodes = [{"name": name, **entry} for name, entry in found["nodes"].items()]
    wanted: list[tuple[str, Sequence[Row], Sequence[Column], bool]] = [
        ("Steps", steps, STEPS, False),
        ("Nodes", nodes, NODES, False),
        ("Timings", found["timings"], TIMINGS, False),
        ("Memory of Python", found["memory"], MEMORY, False),
        ("Resources of the process", found["resources"], RESOURCES, False),
        ("Audit", found["audit"], AUDIT, True),
        ("Trace", found["trace"], TRACE, True),
        ("Errors", found["errors"], ERRORS, True),
    ]
    return [_section(title, rows, columns, most if is_list else 0) for title, rows, columns, is_list in wanted if rows]


def _summary(found: Mapping[str, Any]) -> str:
    parts = [f"Run {found['run_id']}" if found["run_id"] else "It has not run"]
    source = found["recipe"] or found["library"]
    if source:
        parts[0] += f" of {source}"
    starts = [step["start"] for step in found["steps"].values() if is_number(step.get("start"))]
    ends = [step["end"] for step in found["steps"].values() if is_number(step.get("end"))]
    starts += [node["first"] for node in found["nodes"].values() if "first" in node]
    if starts:
        parts.append(f"the first step began {time_text(min(starts))}")
    if starts and ends:
        parts.append(f"the last one ended {duration(max(0.0, max(ends) - min(starts)))} later")
    counts = Counter(str(step.get("status")) for step in found["steps"].values())
    if counts:
        parts.append("steps: " + ", ".join(f"{number} {status}" for status, number in counts.most_common()))
    return "; ".join(parts) + "."


def _section(title: str, rows: Sequence[Row], columns: Sequence[Column], most: int) -> Section:
    shown = rows[-most:] if most else rows
    cells = [[text(row) for _, text, _ in columns] for row in shown]
    # A column that is empty throughout, such as the disk's, says nothing.
    kept = [place for place in range(len(columns)) if any(line[place] for line in cells)]
    table = Table(
        [columns[place][0] for place in kept],
        [[line[place] for place in kept] for line in cells],
        numbers=[number for number, place in enumerate(kept) if columns[place][2]],
        alarms=[number for number, row in enumerate(shown) if title != "Errors" and _is_bad(row)],
    )
    notes = [f"The newest {len(shown):,} of {len(rows):,}."] if len(shown) < len(rows) else []
    if any(row.get("shared") or _usage(row).get("shared") for row in shown):
        notes.append("* measured while others ran at the same time")
    return Section(title, notes, table)


def _is_bad(row: Row) -> bool:
    return row.get("status") in FAILED or bool(row.get("errors")) or bool(row.get("error"))


# --- cells


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


def _usage(row: Row) -> Mapping[str, Any]:
    found = row.get("usage")
    return found if isinstance(found, Mapping) else {}


def _memory(row: Row) -> str:
    usage = _usage(row)
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
    ("CPU", lambda row: _in("cpu", duration)(_usage(row)), True),
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
