"""The steps of sunspot_cycles.yaml: plain functions that take ctx and their params by name."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean
from typing import Any

from step_library.kit.reports import charts, reporting

HERE = Path(__file__).parent


def read(ctx: Any, file: str) -> dict[str, int]:
    """Years and numbers into ctx; a year that is missing or no number is an error with its line."""
    years, numbers = [], []
    with open(HERE / file, encoding="utf-8", newline="") as source:
        for line, row in enumerate(csv.DictReader(source), 2):
            try:
                year, number = int(row["YEAR"]), float(row["SUNACTIVITY"])
            except (KeyError, TypeError, ValueError):
                raise ValueError(f"{file}:{line}: {_shown(row)} is not a year and a number") from None
            if years and year != years[-1] + 1:
                raise ValueError(f"{file}:{line}: {year} follows {years[-1]}")
            years.append(year)
            numbers.append(number)
    ctx["years"], ctx["numbers"] = years, numbers
    return {"rows": len(years)}


def _shown(row: dict[str, Any]) -> str:
    return repr(",".join(map(str, row.values())))


def smooth(ctx: Any) -> None:
    """Each year with its neighbours, 1-2-1, so that one odd year is no minimum."""
    numbers = ctx.plain("numbers")
    padded = [numbers[0], *numbers, numbers[-1]]
    ctx["smooth"] = [
        round((a + 2 * b + c) / 4, 2) for a, b, c in zip(padded, padded[1:], padded[2:], strict=False)
    ]


def find_cycles(ctx: Any, reach_years: int) -> dict[str, int]:
    """A cycle goes from one minimum to the next; a minimum is the lowest year within `reach_years` of it."""
    years, numbers, curve = ctx.plain("years"), ctx.plain("numbers"), ctx.plain("smooth")
    minima = [
        place
        for place in range(1, len(curve) - 1)
        if curve[place] == min(curve[max(0, place - reach_years) : place + reach_years + 1])
    ]
    minima = [place for place, before in zip(minima, [-99, *minima], strict=False) if place - before > reach_years]
    cycles = []
    for start, end in zip(minima, minima[1:], strict=False):
        peak = max(range(start, end), key=lambda place: numbers[place])
        cycles.append(
            {
                "from": years[start],
                "to": years[end],
                "years": end - start,
                "peak_year": years[peak],
                "peak": numbers[peak],
                "mean": round(fmean(numbers[start:end]), 1),
            }
        )
    ctx["cycles"] = cycles
    return {"cycles": len(cycles)}


def centuries(ctx: Any) -> None:
    """The mean number of each century that there is data of."""
    by_century: dict[int, list[float]] = {}
    for year, number in zip(ctx.plain("years"), ctx.plain("numbers"), strict=True):
        by_century.setdefault(year // 100 * 100, []).append(number)
    ctx["centuries"] = [
        {"from": first, "years": len(found), "mean": round(fmean(found), 1)} for first, found in by_century.items()
    ]


def extremes(ctx: Any, count: int) -> None:
    """The most and the least active years."""
    ranked = sorted(zip(ctx.plain("numbers"), ctx.plain("years"), strict=True), reverse=True)
    ctx["extremes"] = {
        "most": [{"year": year, "number": number} for number, year in ranked[:count]],
        "least": [{"year": year, "number": number} for number, year in ranked[: -count - 1 : -1]],
    }


def report(ctx: Any, folder: str) -> dict[str, str]:
    """`Assets/report.html`, `.md` and `.svg`, and the cycles as a table for other programs."""
    cycles, years = ctx.plain("cycles"), ctx.plain("years")
    mean = fmean(cycle["years"] for cycle in cycles)
    longest, strongest = max(cycles, key=lambda c: c["years"]), max(cycles, key=lambda c: c["peak"])
    now = reporting.Report(
        title="The cycles of the sun",
        verdict=f"{len(cycles)} cycles of {mean:.1f} years",
        kind="good",
        summary=f"From the yearly sunspot numbers of {years[0]} to {years[-1]}. The longest cycle began in "
        f"{longest['from']} ({longest['years']} years), the strongest peaked in {strongest['peak_year']} "
        f"({strongest['peak']:g}).",
        chart=_chart(ctx, cycles),
        chart_title="Sunspot numbers and cycles",
        sections=[
            reporting.Section("Cycles", table=_cycle_table(cycles)),
            reporting.Section("Centuries", table=_century_table(ctx.plain("centuries"))),
            reporting.Section("Extremes", [_sentence(ctx.plain("extremes"))]),
        ],
    )
    paths = reporting.write_report(now, Path(folder) / "Assets")
    reporting.write_rows(Path(folder) / "Data" / "cycles.csv", cycles)
    ctx["report"] = paths["html"]
    return paths


def _chart(ctx: Any, cycles: list[dict[str, Any]]) -> str:
    points = list(zip(ctx.plain("years"), ctx.plain("numbers"), strict=True))
    bands = [charts.Band(cycle["from"], cycle["to"]) for cycle in cycles[::2]]
    strongest = max(cycles, key=lambda cycle: cycle["peak"])
    mark = charts.Mark(strongest["peak_year"], strongest["peak"], str(strongest["peak_year"]))
    lengths = [(cycle["from"], cycle["years"]) for cycle in cycles]
    mean = fmean(number for _, number in lengths)
    return charts.draw(
        "Sunspot numbers by year, and the length of each cycle",
        [
            charts.Panel(
                "Sunspot number (every other cycle is shaded)",
                "year",
                [charts.Series("number", points)],
                bands=bands,
                marks=[mark],
                height=220,
            ),
            charts.Panel(
                "Length of the cycle that began in a year",
                "year",
                # the last point has no length: it makes both time axes the same
                [charts.Series("years", [*lengths, (points[-1][0], None)], dots=True)],
                limits=[charts.Limit(mean, f"mean {mean:.1f}")],
                x_from=points[0][0],
                y_from=6,
            ),
        ],
    )


def _cycle_table(cycles: list[dict[str, Any]]) -> reporting.Table:
    rows = [
        [f"{c['from']}", f"{c['to']}", f"{c['years']}", f"{c['peak_year']}", f"{c['peak']:.1f}", f"{c['mean']:.1f}"]
        for c in cycles
    ]
    return reporting.Table(["from", "to", "years", "peak in", "peak", "mean"], rows, numbers=range(6))


def _century_table(centuries: list[dict[str, Any]]) -> reporting.Table:
    rows = [[f"from {c['from']}", f"{c['years']}", f"{c['mean']:.1f}"] for c in centuries]
    return reporting.Table(["century", "years of data", "mean number"], rows, numbers=[1, 2])


def _sentence(extremes: dict[str, Any]) -> str:
    most = ", ".join(f"{each['year']} ({each['number']:g})" for each in extremes["most"])
    least = ", ".join(f"{each['year']} ({each['number']:g})" for each in extremes["least"])
    return f"Most active: {most}. Least active: {least}."
