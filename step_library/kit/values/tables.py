"""Rows of a table in ctx, lists or dicts: one field of each, as fast as there is nothing wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from octo.errors import MissingKey, OctoError, ShapeError, nearest
from step_library.kit.values.ctx_values import described

ABSENT: Any = object()


def rows_of_view(found: Any) -> Any:
    """The rows of a `{"view": [...], "total": n}` that ctx_view made; anything else as it is."""
    is_view = isinstance(found, Mapping) and "total" in found and isinstance(found.get("view"), list)
    return found["view"] if is_view else found


def field_of(row: Any, field: str | int) -> Any:
    """What a row has there: a key, a position, or a way in such as `user.id`; ABSENT where it has none."""
    if isinstance(field, int):
        return row[field] if isinstance(row, (list, tuple)) and -len(row) <= field < len(row) else ABSENT
    if isinstance(row, Mapping) and field in row:
        return row[field]
    if "." not in field:
        return ABSENT
    found = row
    for part in field.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, (list, tuple)) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return ABSENT
    return found


def field_values(rows: Sequence[Any], field: str | int, where: str, missing: Any = ABSENT) -> list[Any]:
    """That field of each row, `missing` where a row has none; without it MissingKey tells the first such row."""
    try:
        return list(map(itemgetter(field), rows))
    except (KeyError, IndexError, TypeError):
        pass
    found = [field_of(row, field) for row in rows]
    for number, value in enumerate(found):
        if value is ABSENT:
            error = no_field(rows[number], number, field, where)
            if missing is ABSENT or isinstance(error, ShapeError):
                raise error
            found[number] = missing
    return found


def no_field(row: Any, number: int, field: str | int, where: str) -> OctoError:
    """The error for a row without the field, or of the wrong shape."""
    if isinstance(field, int):
        if not isinstance(row, (list, tuple)):
            return ShapeError(f"{where}: row {number} is to be a list, not {described(row)}")
        return MissingKey(f"{where}: row {number} has {len(row)} columns, no column {field} (they are counted from 0)")
    if not isinstance(row, Mapping):
        return ShapeError(f"{where}: row {number} is to be a dict, not {described(row)}")
    return MissingKey(f"{where}: row {number} has no field {field!r}{nearest(field, map(str, row))}")


def position(name: str | int, header: Sequence[str] | None, where: str) -> int:
    """Where the column of that name stands in rows that are lists."""
    if isinstance(name, int):
        return name
    if header is None:
        raise ShapeError(f"{where}: its rows are lists, so column {name!r} needs header, or a position from 0")
    if name not in header:
        raise MissingKey(f"{where} has no column {name!r}{nearest(name, header)}")
    return list(header).index(name)
