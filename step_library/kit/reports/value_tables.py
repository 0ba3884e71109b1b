"""A value of ctx as a table of a report: rows that are dicts or lists, a dict, plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from octo.errors import ShapeError
from octo.report.entries import is_number
from octo.report.pages import Table
from step_library.kit.values.ctx_values import described


def value_table(value: Any, where: str) -> Table:
    """The value as a table; ShapeError where it is neither list nor dict.

    The columns of dicts are all their keys, those of lists are named by a first row of nothing but text, else counted
    from 0. A dict has a row for each key.
    """
    if isinstance(value, Mapping):
        return _table(["key", "value"], [[key, each] for key, each in value.items()])
    if not isinstance(value, (list, tuple)):
        raise ShapeError(f"{where} is to be a list or a dict to be shown as a table, not {described(value)}")
    if value and all(isinstance(row, Mapping) for row in value):
        names = list(dict.fromkeys(name for row in value for name in row))
        return _table(list(map(str, names)), [[row.get(name) for name in names] for row in value])
    if value and all(isinstance(row, (list, tuple)) for row in value):
        width = max(map(len, value))
        rows = [[*row, *[None] * (width - len(row))] for row in value]
        if len(rows) > 1 and all(isinstance(cell, str) for cell in rows[0]):
            return _table(rows[0], rows[1:])
        return _table([str(number) for number in range(width)], rows)
    return _table(["value"], [[each] for each in value])


def cell_text(value: Any) -> str:
    """A value in a cell: null is empty, a list or dict is JSON."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple, Mapping)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _table(head: list[str], rows: list[list[Any]]) -> Table:
    def has_numbers(column: int) -> bool:
        there = [row[column] for row in rows if row[column] is not None]
        return bool(there) and all(map(is_number, there))

    numbers = [column for column in range(len(head)) if has_numbers(column)]
    return Table(head, [list(map(cell_text, row)) for row in rows], numbers)
