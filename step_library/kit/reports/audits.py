"""Records of an audit as text: fields, totals, sections, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octo.errors import ShapeError
from octo.report.entries import as_moment, is_number, time_text
from octo.report.pages import Report, Section, Table, as_html, markdown_table, markdown_text
from step_library.kit.reports.value_tables import cell_text

FIELDS = {"start": "Start", "end": "End", "duration": "Duration", "status": "Status", "error": "Error"}
COLUMNS = {"step": "Step Name", "status": "Status", "start": "Start", "end": "End", "duration": "Duration (s)",
           "error": "Error Reason"}
WELL, BAD = ("success", "ok", "done"), ("error", "failed", "fail")
Entry = Mapping[str, Any]
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Look:
    """How fields are shown. `missing`: what stands for one that a record lacks."""

    missing: str | None = None
    dates: bool = False
    params: bool = False

    def text(self, entry: Entry, name: str) -> str:
        """A field of a record; empty where there is nothing to be said."""
        value = entry.get(name)
        if value is None:
            return "" if name == "error" or self.missing is None else self.missing
        if name in ("start", "end") and self.dates and is_number(value):
            return time_text(value)
        if name == "duration" and is_number(value):
            return f"{value:.2f}"
        return cell_text(value)

    def data(self, entry: Entry) -> dict[str, Any]:
        """A record as CSV and JSON have it."""
        shown = dict(entry)
        for name in ("step", "start", "end", "duration", "status"):
            if name not in entry and self.missing is not None:
                shown[name] = self.missing
            elif name in ("start", "end") and self.dates and is_number(entry.get(name)):
                shown[name] = time_text(entry[name])
        return shown


def summary(entries: Sequence[Entry]) -> dict[str, Any]:
    """Totals: `{steps, success, failed, duration, mean, start, end}`; null where no record says it."""
    times = [entry["duration"] for entry in entries if is_number(entry.get("duration"))]
    starts = [entry["start"] for entry in entries if moment_of(entry, "start") is not None]
    ends = [entry["end"] for entry in entries if moment_of(entry, "end") is not None]
    return {
        "steps": len(entries),
        "success": sum(str(entry.get("status")).lower() in WELL for entry in entries),
        "failed": sum(map(is_bad, entries)),
        "duration": sum(times),
        "mean": sum(times) / len(times) if times else None,
        "start": min(starts, key=as_moment, default=None),
        "end": max(ends, key=as_moment, default=None),
    }


def is_bad(entry: Entry) -> bool:
    return bool(entry.get("error")) or str(entry.get("status")).lower() in BAD


def moment_of(entry: Entry, name: str) -> float | None:
    """A field that is a time, in epoch seconds."""
    try:
        return as_moment(entry.get(name))
    except ShapeError:
        return None


def as_markdown_text(entries: Sequence[Entry], totals: Entry | None, look: Look, layout: str) -> str:
    """The documented layout (`sections`), one `table`, or sections that unfold (`collapsible`)."""
    lines = ["# Audit Report", ""]
    if totals is not None:
        lines += ["## Summary", *_list(_total_pairs(totals, look)), ""]
    if layout == "table" and entries:
        lines += markdown_table(_table(entries, look))
        entries = []
    for entry in entries:
        name, fields = markdown_text(look.text(entry, "step")), _list(_pairs(entry, look))
        if layout == "collapsible":
            lines += ["<details>", f"<summary>Step: {name}</summary>", "", *fields, "", "</details>", ""]
        else:
            lines += [f"## Step: {name}".rstrip(), *fields, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_html_text(entries: Sequence[Entry], totals: Entry | None, look: Look) -> str:
    """One page with a table of the records, those that failed in red."""
    sections = []
    if totals is not None:
        sections.append(Section("Summary", table=Table(["total", ""], [list(p) for p in _total_pairs(totals, look)])))
    if entries:
        alarms = [number for number, entry in enumerate(entries) if is_bad(entry)]
        sections.append(Section("Steps", table=_table(entries, look, alarms)))
    return as_html(Report("Audit Report", sections=sections))


def _pairs(entry: Entry, look: Look) -> Pairs:
    """Name and text of the fields that a section shows."""
    found = {title: look.text(entry, name) for name, title in FIELDS.items()}
    if is_number(entry.get("duration")):
        found["Duration"] += " sec"
    if look.params:
        found["Params"] = cell_text(entry.get("params"))
    return [(title, text) for title, text in found.items() if text]


def _total_pairs(totals: Entry, look: Look) -> Pairs:
    found = {"Steps": str(totals["steps"]), "Succeeded": str(totals["success"]), "Failed": str(totals["failed"]),
             "Total duration": f"{totals['duration']:.2f} sec"}
    if totals["mean"] is not None:
        found["Average duration"] = f"{totals['mean']:.2f} sec"
    found |= {"Earliest start": look.text(totals, "start"), "Latest end": look.text(totals, "end")}
    return [(title, text) for title, text in found.items() if text]


def _list(fields: Pairs) -> list[str]:
    return [f"- {title}: {markdown_text(text)}" for title, text in fields]


def _table(entries: Sequence[Entry], look: Look, alarms: Sequence[int] = ()) -> Table:
    heads = [*COLUMNS.values(), *(["Params"] if look.params else [])]
    rows = [[look.text(entry, name) for name in COLUMNS] for entry in entries]
    if look.params:
        rows = [[*row, cell_text(entry.get("params"))] for row, entry in zip(rows, entries, strict=True)]
    return Table(heads, rows, numbers=[4], alarms=alarms)
