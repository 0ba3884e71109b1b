"""Columns of numbers over time, by numpy: times read from text, gaps filled, scaled, means of equal spans, smoothed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timezone, tzinfo
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from octo.errors import ShapeError
from octo.param import ParamError
from step_library.kit.values.ctx_values import described
from step_library.kit.values.numbers import numpy_or_hint

if TYPE_CHECKING:
    from step_library.kit.values.numbers import Matrix

MOST_SPANS = 10_000_000
"""More than these are a mistake in the interval, and would fill the memory."""


def seconds_of(cells: Sequence[Any], where: str) -> tuple[list[float], Callable[[float], Any]]:
    """Times, ISO text or seconds as numbers, as seconds; and the way back to what the first one is written as.

    Text without a zone is read as UTC and written without one. ShapeError names the row of what is no time.
    """
    found = []
    zones = set()
    zone: tzinfo | None = None
    for number, cell in enumerate(cells):
        if isinstance(cell, (int, float)) and not isinstance(cell, bool) and math.isfinite(cell):
            found.append(float(cell))
            zones.add("number")
            continue
        try:
            # Python 3.10 does not read the Z of UTC
            moment = datetime.fromisoformat(cell[:-1] + "+00:00" if cell.endswith("Z") else cell)
        except (AttributeError, ValueError):
            raise ShapeError(f"{where}: the time of row {number} is neither ISO text nor a number of seconds, but "
                             f"{described(cell)}") from None
        zone = zone or moment.tzinfo
        zones.add("with a zone" if moment.tzinfo else "without a zone")
        found.append((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())
    if len(zones) > 1:
        raise ShapeError(f"{where}: its times are to be of one form, not {' and '.join(sorted(zones))}")
    if zones <= {"number"}:
        return found, lambda seconds: int(seconds) if seconds.is_integer() else seconds
    if zone is None:
        return found, lambda seconds: datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None).isoformat()
    return found, lambda seconds: datetime.fromtimestamp(seconds, zone).isoformat()


def resampled(table: Matrix, times: Sequence[Any], interval: float, where: str) -> tuple[list[Any], Matrix]:
    """The begin of each span of `interval` seconds from the first time to the last, and the means of its rows.

    The begins are written as the first time is, and are multiples of the interval. A span without rows is NaN; a NaN
    among the rows of one does not count.
    """
    numpy = numpy_or_hint()
    if not math.isfinite(interval) or interval <= 0:
        raise ParamError(f"parameter 'resample' is to be a number of seconds above 0, not {interval}")
    seconds, written = seconds_of(times, where)
    spans = numpy.floor(numpy.asarray(seconds) / interval)
    first, last = spans.min(), spans.max()
    if last - first >= MOST_SPANS:
        raise ParamError(f"parameter 'resample': {interval:g} seconds make {int(last - first) + 1:,} rows of {where}")
    places = (spans - first).astype(int)
    size = int(last - first) + 1
    there = ~numpy.isnan(table)
    means = numpy.full((size, table.shape[1]), numpy.nan)
    for column in range(table.shape[1]):
        counts = numpy.bincount(places, weights=there[:, column], minlength=size)
        sums = numpy.bincount(places, weights=numpy.where(there[:, column], table[:, column], 0.0), minlength=size)
        means[:, column] = numpy.where(counts > 0, sums / numpy.maximum(counts, 1), numpy.nan)
    return [written(float((first + number) * interval)) for number in range(size)], means


def smoothed(table: Matrix, alpha: float, skip: bool) -> Matrix:
    """The exponentially weighted mean: of each row the share alpha, the rest from the mean before it.

    NaN makes all that follows NaN; with `skip` it leaves the mean as it is and stays NaN in its own row.
    """
    numpy = numpy_or_hint()
    if not 0 < alpha <= 1:
        raise ParamError(f"parameter 'ewma' is to be above 0 and at most 1, not {alpha}")

    def follow(mean: float, value: float) -> float:
        if skip and math.isnan(value):
            return mean
        if skip and math.isnan(mean):
            return value
        return alpha * value + (1 - alpha) * mean

    found = table.copy()
    for place in range(table.shape[1]):
        found[:, place] = list(accumulate(table[:, place].tolist(), follow))
    if skip:
        found[numpy.isnan(table)] = numpy.nan
    return found


def filled(table: Matrix, missing: str) -> Matrix:
    """The table with the columns' means (mean) or 0 (zero) instead of NaN; as it is for anything else."""
    numpy = numpy_or_hint()
    if missing not in ("mean", "zero"):
        return table
    found: Matrix = numpy.where(numpy.isnan(table), numpy.nanmean(table, axis=0) if missing == "mean" else 0.0, table)
    return found


def normalized(table: Matrix, skip: bool) -> Matrix:
    """Each column with mean 0 and variance 1; one of equal values 0. `skip`: NaN does not count."""
    numpy = numpy_or_hint()
    mean, std, low, high = (getattr(numpy, ("nan" if skip else "") + name)(table, axis=0)
                            for name in ("mean", "std", "min", "max"))
    same = low == high
    table = (table - mean) / numpy.where(same, 1.0, std)
    table[:, same] = numpy.where(numpy.isnan(table[:, same]), table[:, same], 0.0)
    return table
