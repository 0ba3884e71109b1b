"""One sheet of an Excel file before it is written: its name, its table, and whether Excel can have them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from octo.errors import ShapeError, UsageError
from step_library.kit.formats import csv_text
from step_library.kit.values.ctx_values import described

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
"""What no cell and no name can hold."""


@dataclass
class Sheet:
    """One sheet: where its data are from, and its table."""

    title: str
    where: str
    table: csv_text.Table

    @property
    def names(self) -> list[str] | None:
        """The columns' names: keys of dicts, or a first row of nothing but different texts."""
        if self.table.names is not None:
            return self.table.names
        first = self.table.rows[0] if self.table.rows else []
        texts = [cell for cell in first if isinstance(cell, str) and cell]
        return texts if texts and len(set(texts)) == len(first) else None

    @property
    def size(self) -> tuple[int, int]:
        """Rows, names included, and columns."""
        width = len(self.table.fields) if self.table.fields is not None else max(map(len, self.table.rows), default=0)
        return len(self.table.rows) + (self.table.names is not None), width


def sheet_of(title: str, value: Any, where: str) -> Sheet:
    """A sheet of the value; UsageError or ShapeError where Excel cannot have it."""
    bad = re.search(r"[\[\]:*?/\\]", title)
    if bad or not title.strip() or len(title) > 31 or title[0] == "'" or title[-1] == "'" or CONTROL.search(title):
        raise UsageError(f"sheets: {title!r} cannot be the name of a sheet: 1 to 31 characters, none of []:*?/\\, no ' "
                         "at an end")
    if not isinstance(value, (list, tuple)):
        raise ShapeError(f"{where} is to be a list of rows for the sheet {title!r}, not {described(value)}")
    found = Sheet(title, where, csv_text.table_of(value, where))
    rows, columns = found.size
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise ShapeError(f"{where} has {rows} rows of {columns} columns; a sheet of Excel holds {MOST_ROWS} rows of "
                         f"{MOST_COLUMNS} (ctx_to_csv writes more)")
    return found
