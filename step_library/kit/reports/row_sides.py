"""The two tables of a diff as rows with a line each: lists of rows, or dicts whose keys tell the rows apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from octo.errors import MissingKey, ShapeError, nearest
from octo.param import ParamError
from step_library.kit.values.ctx_values import described
from step_library.kit.values.differences import ABSENT
from step_library.kit.values.tables import field_values


@dataclass(frozen=True)
class Side:
    """One of the two tables. `ids` tell which rows belong together; without them the order of the rows does.

    `is_dict`: the rows are the values of a dict, the ids its keys.
    """

    name: str
    rows: Sequence[Any]
    ids: Sequence[str] | None = None
    is_dict: bool = False

    @property
    def texts(self) -> list[str]:
        """A line for each row."""
        texts = list(map(row_text, self.rows))
        if self.is_dict and self.ids is not None:
            return [f"{_one_line(key)}: {text}" for key, text in zip(self.ids, texts, strict=True)]
        return texts


def side(name: str, value: Any, by: Sequence[str | int]) -> Side:
    """A value of ctx as rows: those of a list, or the values of a dict, whose keys are the ids."""
    where = f"ctx[{name!r}]"
    if isinstance(value, Mapping):
        if by:
            raise ParamError(f"by: {where} is a dict, whose keys tell already which values belong together")
        return Side(name, list(value.values()), list(map(str, value)), is_dict=True)
    if not isinstance(value, (list, tuple)):
        raise ShapeError(f"{where} is to be a list of rows or a dict, not {described(value)}")
    if not by:
        return Side(name, value)
    odd = [field for field in by if isinstance(field, bool) or not isinstance(field, (str, int))]
    if odd:
        raise ParamError(f"by: a field is a name, or of lists a position from 0, not {described(odd[0])}")
    columns = [field_values(value, field, where) for field in by]
    ids = [",".join(f"{field}={_one_line(str(each))}" for field, each in zip(by, cells, strict=True))
           for cells in zip(*columns, strict=True)]
    first: dict[str, int] = {}
    for number, each in enumerate(ids):
        if first.setdefault(each, number) != number:
            raise ShapeError(f"{where}: rows {first[each]} and {number} are both {each}; by is to tell rows apart")
    return Side(name, value, ids)


def only(sides: Sequence[Side], columns: Sequence[Any]) -> list[Side]:
    """The tables with nothing but these columns; MissingKey for one that neither has."""
    there = {column for each in sides for column in columns_of(each.rows)}
    for column in columns:
        if there and str(column) not in there:
            names = " and ".join(f"ctx[{each.name!r}]" for each in sides)
            raise MissingKey(f"columns: {names} have no column {column!r}{nearest(str(column), there)}")
    wanted = {str(column) for column in columns}
    return [replace(each, rows=[_reduced(row, wanted) for row in each.rows]) for each in sides]


def _reduced(row: Any, wanted: Collection[str]) -> Any:
    if isinstance(row, Mapping):
        return {name: cell for name, cell in row.items() if str(name) in wanted}
    if isinstance(row, (list, tuple)):
        return [cell for number, cell in enumerate(row) if str(number) in wanted]
    return row


def row_text(row: Any) -> str:
    """A row as a line of a diff: as `str` writes it, but the keys of dicts in order."""
    return _one_line(row) if isinstance(row, str) else str(ordered(row))


def columns_of(rows: Iterable[Any]) -> list[str]:
    """The columns by name, those of lists by position; "" where a row is a single value."""
    found: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Mapping):
            found.update(dict.fromkeys(map(str, row)))
        elif isinstance(row, (list, tuple)):
            found.update(dict.fromkeys(map(str, range(len(row)))))
        elif row is not ABSENT:
            found[""] = None
    return list(found)


def ordered(value: Any) -> Any:
    """The value with the keys of its dicts in order."""
    if isinstance(value, Mapping):
        return {key: ordered(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list):
        return list(map(ordered, value))
    return value


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")
