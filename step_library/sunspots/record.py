"""The record as rows of text: what can be wrong with it, and how it is mended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

FIRST_LINE = 2  # the first row of data in the file; line 1 is the heading


def problems_of(raw: Iterable[Sequence[str]]) -> list[dict[str, Any]]:
    """What is wrong, as {line, year, what}; year is None where it cannot be read. Empty for a good record."""
    problems: list[dict[str, Any]] = []
    last: int | None = None
    for line, (year_text, number_text) in enumerate(raw, start=FIRST_LINE):
        year, number = _year(year_text), _number(number_text)
        what = ""
        if year is None:
            what = f"year {year_text!r} is no whole number"
        elif last is not None and year <= last:
            what = f"year {year} comes after {last}"
        elif number is None:
            what = f"{year}: {number_text!r} is no sunspot number"
        elif last is not None and year > last + 1:
            what = f"{year} follows {last}: {year - last - 1} missing between them"
        if what:
            problems.append({"line": line, "year": year, "what": what})
        if year is not None and (last is None or year > last):
            last = year
    return problems


def mend(raw: Iterable[Sequence[str]], longest_gap: int) -> tuple[list[int], list[float], list[int]]:
    """(years without a gap, their numbers, the years that were filled in).

    Lines that cannot be read and years that come again are left out; gaps are filled on a straight line.

    Raises ValueError for a gap of more than `longest_gap` years, and for a record without two good lines.
    """
    known: dict[int, float] = {}
    for year_text, number_text in raw:
        year, number = _year(year_text), _number(number_text)
        if year is not None and number is not None and (not known or year > max(known)):
            known[year] = number
    if len(known) < 2:
        raise ValueError("fewer than two good lines in the record")
    years, numbers, filled = [min(known)], [known[min(known)]], []
    for year, number in list(known.items())[1:]:
        gap = year - years[-1] - 1
        if gap > longest_gap:
            raise ValueError(
                f"no number for {gap} years after {years[-1]}: more than longest_gap_years ({longest_gap})"
            )
        rise = (number - numbers[-1]) / (gap + 1)
        for missing in range(years[-1] + 1, year):
            filled.append(missing)
            years.append(missing)
            numbers.append(round(numbers[-1] + rise, 2))
        years.append(year)
        numbers.append(number)
    return years, numbers, filled


def _year(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    """A sunspot number: finite and not negative (-1 stands for "no observation" in such records)."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
