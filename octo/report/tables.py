"""What `read_instance` found, as a report with tables."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from octo.engine.dot_text import duration
from octo.report.columns import (
    AUDIT,
    ERRORS,
    MEMORY,
    NODES,
    RESOURCES,
    STEPS,
    TIMINGS,
    TRACE,
    Column,
    Row,
    usage_of,
)
from octo.report.entries import is_number, time_text
from octo.report.pages import Report, Section, Table, Verdict

KINDS: dict[str, Verdict] = {"COMPLETE_SUCCESS": "good", "COMPLETE_ERROR": "bad", "interrupted": "bad"}
FAILED = ("FAILED", "error", "failed", "ERROR")


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
    if any(row.get("shared") or usage_of(row).get("shared") for row in shown):
        notes.append("What is marked with * was measured while others ran at the same time.")
    return Section(title, notes, table)


def _is_bad(row: Row) -> bool:
    return row.get("status") in FAILED or bool(row.get("errors")) or bool(row.get("error"))
