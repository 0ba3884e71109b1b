"""The table as text that is Markdown as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.ballast import MIB
from bench.lines import Found, Line

HEAD = ("", "median", "mean", "worst", "yardstick", "ratio", "bar", "")


def shown(found: Found, key: str, unit: str) -> str:
    if key not in found:
        return ""
    value = found[key]
    if unit == "MiB":
        return f"{value / MIB:.0f} MiB"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-4 else f"{value * 1e6:.3g} us"


def verdict(line: Line, results: dict[str, Found]) -> dict[str, Any] | None:
    """Ratio and verdict of one line; None where something that it needs was not measured."""
    own = results.get(line.figure, {})
    other = results.get(line.yardstick, {})
    plus = results.get(line.plus, {})
    if any("median" not in found for name, found in ((line.figure, own), (line.yardstick, other), (line.plus, plus))
           if name):
        return None
    own, other, plus = (found.get(line.part, found) for found in (own, other, plus))
    return {
        "own": own,
        "yardstick": other,
        "ratio": own[line.by] / other[line.by] if other and other[line.by] else None,
        "met": line.meets(own, other, *([plus] if line.plus else [])) if line.meets else None,
    }


def ratio_text(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.2f}x" if ratio >= 0.1 else f"{ratio:.2g}x"


def cells(line: Line, results: dict[str, Found]) -> tuple[str, ...]:
    judged = verdict(line, results)
    if judged is None:
        return (line.what, "", "", "", "", "", line.bar, "not measured")
    own = judged["own"]
    return (
        line.what,
        *(shown(own, key, line.unit) for key in ("median", "mean", "worst")),
        shown(judged["yardstick"], line.by, line.unit),
        ratio_text(judged["ratio"]),
        line.bar,
        "" if judged["met"] is None else "met" if judged["met"] else "NOT MET",
    )


def markdown(chosen: Sequence[Line], results: dict[str, Found]) -> str:
    rows = [HEAD, *(cells(line, results) for line in chosen)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def drawn(row: Sequence[str]) -> str:
        first, *rest = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        return " | ".join([f"| {first.strip().ljust(widths[0])}", *rest]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    notes = [f"- {name}: {found['note']}" for name, found in results.items() if found.get("note")]
    return "\n".join([drawn(HEAD), rule, *map(drawn, rows[1:]), *(["", *notes] if notes else [])])
