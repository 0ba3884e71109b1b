"""Rows of ctx as columns of numbers, by numpy; and numbers back to what ctx holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from octo.errors import MissingKey, NotAvailable, ShapeError, nearest
from octo.param import ParamError
from step_library.kit.values.ctx_values import described

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Matrix = numpy.typing.NDArray[numpy.float64]


def numpy_or_hint() -> Any:
    """numpy; NotAvailable with what to type where it is not installed."""
    try:
        import numpy
    except ImportError:
        raise NotAvailable("this step needs numpy", hints=["pip install 'octo-step-engine[data]'"]) from None
    return numpy


def columns_of(
    rows: Sequence[Any], where: str, *, headers: bool | Sequence[str] | None = None, select: Sequence[Any] | None = None
) -> tuple[list[str] | None, Matrix]:
    """The names of the columns (None where they have none), and the numbers: a row each, float64, null as NaN.

    `rows` are lists, or dicts of one column a key. `headers` names the columns, True: the first row does. `select`
    takes some of them, by name or by position. ShapeError (a ValueError) names the place of what does not fit.
    """
    if select is not None and not select:
        raise ParamError(f"{where}: no column is chosen; leave the parameter out for all of them")
    if rows and isinstance(rows[0], dict):
        return _from_dicts(rows, where, select)
    names: list[str] | None = None
    if headers is True:
        if not rows:
            raise ShapeError(f"{where} is empty; its first row is to name the columns")
        names, rows = [str(name) for name in _row(rows, 0, where)], rows[1:]
    elif headers:
        names = [str(name) for name in headers]
    if not rows:
        raise ShapeError(f"{where} has no rows of numbers")
    width = len(_row(rows, 0, where))
    if names is not None and len(names) != width:
        raise ShapeError(f"{where}: there are {len(names)} names for {width} columns")
    if select is None:
        return names, _numbers(rows, where, names)
    places = [_place(each, names, width, where) for each in select]
    try:
        taken = list(map(itemgetter(*places), rows))
    except (IndexError, TypeError, KeyError):
        raise _ragged(rows, where) from None
    found = _numbers([(one,) for one in taken] if len(places) == 1 else taken, where, names, places)
    return None if names is None else [names[place] for place in places], found


def _from_dicts(
    rows: Sequence[dict[str, Any]], where: str, select: Sequence[Any] | None
) -> tuple[list[str], Matrix]:
    if not all(issubclass(kind, dict) for kind in set(map(type, rows))):
        number = next(number for number, row in enumerate(rows) if not isinstance(row, dict))
        raise ShapeError(f"{where}: row {number} is to be a dict, as the first is, not {described(rows[number])}")
    known = {str(key): key for key in dict.fromkeys(key for row in rows for key in row)}
    names = list(known) if select is None else list(map(str, select))
    for name in names:
        if name not in known:
            raise MissingKey(f"{where}: no row has a column {name!r}{nearest(name, known)}")
    keys = [known[name] for name in names]
    cells = [tuple(map(row.get, keys)) for row in rows]
    return names, _numbers(cells, where, names)


def _numbers(rows: Sequence[Any], where: str, names: list[str] | None, places: list[int] | None = None) -> Matrix:
    try:
        found: Matrix = numpy_or_hint().array(rows, dtype=float)
    except (ValueError, TypeError, OverflowError):
        raise _culprit(rows, where, names, places) from None
    if found.ndim != 2:
        raise _ragged(rows, where)
    return found


def _culprit(rows: Sequence[Any], where: str, names: list[str] | None, places: list[int] | None) -> ShapeError:
    """The first cell that is no number, or the first row that is too short or too long."""
    for number, row in enumerate(rows):
        if not isinstance(row, (list, tuple)):
            break
        for index, cell in enumerate(row):
            try:
                fits = cell is None or not isinstance(float(cell), complex)
            except (ValueError, TypeError, OverflowError):
                fits = False
            if not fits:
                place = places[index] if places is not None else index
                column = repr(names[place]) if names and place < len(names) else place
                return ShapeError(f"{where}: row {number}, column {column} is no number, but {described(cell)}")
    return _ragged(rows, where)


def _ragged(rows: Sequence[Any], where: str) -> ShapeError:
    width = len(rows[0]) if isinstance(rows[0], (list, tuple)) else -1
    for number, row in enumerate(rows):
        if not isinstance(row, (list, tuple)):
            return ShapeError(f"{where}: row {number} is to be a list, not {described(row)}")
        if len(row) != width:
            return ShapeError(f"{where}: row {number} has {len(row)} columns, the first has {width}")
    return ShapeError(f"{where} is no table of numbers")


def _row(rows: Sequence[Any], number: int, where: str) -> Sequence[Any]:
    row = rows[number]
    if not isinstance(row, (list, tuple)):
        raise ShapeError(f"{where}: row {number} is to be a list, not {described(row)}")
    return row


def _place(column: Any, names: list[str] | None, width: int, where: str) -> int:
    if isinstance(column, int) and not isinstance(column, bool):
        if not -width <= column < width:
            raise ShapeError(f"{where} has {width} columns, no column {column} (they are counted from 0)")
        return column % width
    if names is None:
        raise ShapeError(f"{where}: column {column!r} is a name, but the columns have none; give headers")
    if column not in names:
        raise MissingKey(f"{where} has no column {column!r}{nearest(str(column), names)}")
    return names.index(column)


def as_json(values: Any) -> list[float | None]:
    """Numbers as ctx holds them: NaN and infinities are null."""
    return [value if math.isfinite(value) else None for value in values.tolist()]
