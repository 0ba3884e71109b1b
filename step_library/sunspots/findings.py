"""What the run found about the sunspots, as a report: three charts and two tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from step_library.kit.reports import charts
from step_library.kit.reports.reporting import Report, Section, Table

METHODS = {"periodogram": "Periodogram", "autocorrelation": "Autocorrelation"}


def report(ctx: Mapping[str, Any], made: str) -> Report:
    """`ctx` has what the steps before put there."""
    years, period = ctx["years"], ctx["period_years"]
    cycles = (years[-1] - years[0]) / period
    return Report(
        title=f"Sunspots {years[0]} to {years[-1]}",
        verdict=f"Main period: {period:g} years",
        kind="good",
        summary=(
            f"Two methods, which know nothing of each other, find it in {len(years)} yearly numbers: "
            f"about {cycles:.0f} cycles from the first year to the last."
        ),
        chart=chart(ctx),
        chart_title="The record, its periodogram and its autocorrelation",
        sections=[_methods(ctx), _record(ctx)],
        made=made,
    )


def chart(ctx: Mapping[str, Any]) -> str:
    """The record over the years, and the curve of each method with its peak."""
    record = charts.Series("sunspot number", list(zip(ctx["years"], ctx["numbers"], strict=True)))
    panels = [charts.Panel("Mean sunspot number of the year", "year", [record])]
    titles = {"periodogram": "part of the variance in a sine", "autocorrelation": "correlation with itself"}
    x_labels = {"periodogram": "period, years", "autocorrelation": "lag, years"}
    for method, title in titles.items():
        found = ctx[method]
        curve = [(point[0], point[1]) for point in found["curve"]]
        peak = charts.Mark(found["period_years"], found["height"], f"{found['period_years']:.2f} years")
        panels.append(
            charts.Panel(
                f"{METHODS[method]}: {title}",
                x_labels[method],
                [charts.Series(METHODS[method], curve, dots=method == "autocorrelation")],
                marks=[peak],
                x_from=0.0,
                y_from=min(0.0, min(y for _, y in curve)) * 1.1,
            )
        )
    return charts.draw("Sunspots: the record and its main period", panels)


def _methods(ctx: Mapping[str, Any]) -> Section:
    lines = [
        [words, f"{ctx[method]['period_years']:.2f}", f"{ctx[method]['height']:.2f}"]
        for method, words in METHODS.items()
    ]
    return Section(
        "The two methods", table=Table(["method", "main period, years", "height of the peak"], lines, [1, 2])
    )


def _record(ctx: Mapping[str, Any]) -> Section:
    problems, filled = ctx["problems"], ctx["filled"]
    if not problems:
        return Section("The record", ["Nothing had to be mended."])
    words = f"{len(problems)} problems were found; years filled in on a straight line: "
    lines = [[str(problem["line"]), problem["what"]] for problem in problems]
    return Section(
        "The record",
        [words + (", ".join(map(str, filled)) or "none") + "."],
        Table(["line", "problem"], lines),
    )
