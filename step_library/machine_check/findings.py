"""What the run found, as a report: chart, table of limits, the machine, and the diagnosis if it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from step_library.kit.reports import charts
from step_library.kit.reports.reporting import Report, Section, Table
from step_library.machine_check.limits import FAIL, FIGURES, MARGINAL, PASS

Row = Mapping[str, Any]


def report(state: Mapping[str, Any], made: str) -> Report:
    """`state` has the ctx keys machine, rows, checks, verdict, try, diagnosis (None if there was none)."""
    machine, rows, verdict = state["machine"], state["rows"], state["verdict"]
    tries = "in the first try" if state["try"] == 1 else f"after {state['try']} tries"
    beyond = (state["diagnosis"] or {}).get("beyond", [])
    if verdict == PASS:
        summary = f"Every figure of {machine['host']} lies within its limit."
    else:
        summary = (
            f"Beyond its limit on {machine['host']}: "
            + ", ".join(FIGURES[figure][0].lower() for figure in beyond)
            + "."
        )
    sections = [_limits(state["checks"]), _machine(machine)]
    if state["diagnosis"]:
        sections.append(_diagnosis(state["diagnosis"]))
    return Report(
        title=f"Machine check of {machine['host']}",
        verdict=f"{verdict.upper()} {tries}",
        kind="good" if verdict == PASS else "bad",
        summary=f"{summary} {len(rows)} samples were taken in {rows[-1]['second']:.0f} s.",
        chart=chart(rows, state["checks"]),
        chart_title="Samples before and under load",
        sections=sections,
        made=made,
    )


def chart(rows: Sequence[Row], checks: Sequence[Mapping[str, Any]]) -> str:
    """Processor, memory, temperature if there is one, and the rates under load, over the seconds."""
    panels = [
        _panel(
            "Processor in use, %", rows, {"cpu_percent": "processor"}, _cpu_limits(rows, checks), y_to=100
        ),
        _panel(
            "Memory in use, %", rows, {"memory_percent": "memory"}, _limit(checks, "memory_percent"), y_to=100
        ),
    ]
    if any(row["temperature_c"] is not None for row in rows):
        warmest = {"temperature_c": "warmest sensor"}
        panels.append(_panel("Warmest sensor, °C", rows, warmest, _limit(checks, "temperature_c")))
    hashing = {"hash_mib_s": "SHA-256"}
    panels.append(_panel("SHA-256 on all threads, MiB/s", rows, hashing, _limit(checks, "hash_mib_s")))
    disk = {"disk_write_mib_s": "written and synced", "disk_read_mib_s": "read back"}
    written, read = (
        _limit(checks, "disk_write_mib_s", "write limit"),
        _limit(checks, "disk_read_mib_s", "read limit"),
    )
    same = written and read and written[0].value == read[0].value
    disk_limits = _limit(checks, "disk_read_mib_s") if same else [*written, *read]
    panels.append(_panel("Disk, MiB/s", rows, disk, disk_limits))
    return charts.draw("Machine check: samples before and under load", panels)


def _panel(
    title: str,
    rows: Sequence[Row],
    columns: Mapping[str, str],
    limits: Sequence[charts.Limit],
    y_to: float | None = None,
) -> charts.Panel:
    series = [
        charts.Series(label, [(row["second"], row[key]) for row in rows], dots=True)
        for key, label in columns.items()
    ]
    return charts.Panel(
        title,
        "seconds of measuring",
        series,
        limits=limits,
        bands=_load_bands(rows),
        x_from=0.0,
        y_to=y_to,
        height=110,
    )


def _load_bands(rows: Sequence[Row]) -> list[charts.Band]:
    """From the end of each try's baseline to its last pulse."""
    bands = []
    for number, (_, idle, end) in _stretches(rows).items():
        if end > idle:
            bands.append(charts.Band(idle, end, "load" if number == 1 else f"load, try {number}"))
    return bands


def _cpu_limits(rows: Sequence[Row], checks: Sequence[Mapping[str, Any]]) -> list[charts.Limit]:
    """The limit on the processor holds for the baseline of each try only."""
    return [
        charts.Limit(limit.value, limit.label, start, idle)
        for limit in _limit(checks, "cpu_percent")
        for start, idle, _ in _stretches(rows).values()
    ]


def _stretches(rows: Sequence[Row]) -> dict[int, tuple[float, float, float]]:
    """For each try the second at which it began, its load began, and it ended."""
    found: dict[int, tuple[float, float, float]] = {}
    start = 0.0
    for row in rows:
        first, idle, _ = found.get(row["try"], (start, start, start))
        found[row["try"]] = (first, row["second"] if row["phase"] == "baseline" else idle, row["second"])
        start = row["second"]
    return found


def _limit(checks: Sequence[Mapping[str, Any]], figure: str, words: str = "limit") -> list[charts.Limit]:
    return [
        charts.Limit(entry["limit"], f"{words} {charts.spell_number(entry['limit'])}")
        for entry in checks
        if entry["figure"] == figure and entry["limit"] is not None
    ]


def _limits(checks: Sequence[Mapping[str, Any]]) -> Section:
    lines: list[list[str]] = []
    alarms: list[int] = []
    for entry in checks:
        words, unit = FIGURES[entry["figure"]]
        sign = "at most" if entry["kind"] == "max" else "at least"
        limit = "none" if entry["limit"] is None else f"{sign} {charts.spell_number(entry['limit'])}"
        value = "no sensor" if entry["value"] is None else charts.spell_number(entry["value"])
        if entry["outcome"] in (FAIL, MARGINAL):
            alarms.append(len(lines))
        lines.append([words, value, limit, unit, entry["outcome"]])
    return Section(
        "Figures and limits",
        ["The limits are the parameters of check_limits, and can be set for each machine."],
        Table(["figure", "measured", "limit", "unit", "outcome"], lines, [1], alarms),
    )


def _machine(machine: Mapping[str, Any]) -> Section:
    lines = [
        ["Host", machine["host"]],
        ["System", machine["system"]],
        ["Processor", f"{machine['cores']} x {machine['processor']}"],
        ["Memory", f"{machine['memory_mib']} MiB"],
        ["Disk", f"{machine['disk_gib']} GiB"],
        ["Temperature sensors", str(machine["temperature_sensors"] or "none: not measured")],
        ["Python", machine["python"]],
    ]
    return Section("The machine", table=Table(["what", "found"], lines))


def _diagnosis(diagnosis: Mapping[str, Any]) -> Section:
    lines = [
        [process["name"], str(process["pid"]), f"{process['cpu_percent']:.1f}", str(process["memory_mib"])]
        for process in diagnosis["processes"]
    ]
    table = Table(["process", "pid", "% of a core", "memory, MiB"], lines, numbers=[1, 2, 3])
    return Section("Diagnosis", ["What the machine was busy with right after the check."], table)
