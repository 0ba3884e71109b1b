"""A table of ctx as a Parquet file, by pyarrow; `parquet_source` reads such files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from octo.errors import ShapeError
from step_library.kit.formats import csv_text
from step_library.kit.formats.parquet_source import pyarrow_or_hint


def parquet_bytes(rows: Sequence[Any], where: str, header: bool | Sequence[str] | None) -> bytes:
    """The bytes of the file; the columns are named as `csv_text.table_of` has it, or by the first row of lists.

    Each column is of one type, found from its values; null may stand in any. ShapeError names a column whose values
    are of several, and a table without rows, whose types nothing tells.
    """
    pyarrow = pyarrow_or_hint("pyarrow")
    columns = {}
    for name, values in _columns(rows, where, header).items():
        try:
            columns[name] = pyarrow.array(values, from_pandas=True)  # which takes NaN for null
        except (pyarrow.ArrowException, OverflowError, UnicodeError) as error:
            raise ShapeError(f"{where}: the column {name!r} cannot be written as parquet: {error}") from None
    stream = io.BytesIO()
    pyarrow_or_hint("pyarrow.parquet").write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def _columns(rows: Sequence[Any], where: str, header: bool | Sequence[str] | None) -> dict[str, list[Any]]:
    table = csv_text.table_of(rows, where, header=header, ragged=True)
    if table.fields is not None:
        return {str(name): [row.get(name) for row in table.rows] for name in table.fields}
    names, body = table.names, table.rows
    if names is None and header is not False and body:
        names, body = [str(name) for name in body[0]], body[1:]
    if not body or names is None:
        raise ShapeError(f"{where} has no rows under names of columns, which parquet needs")
    if len(set(names)) != len(names):
        raise ShapeError(f"{where}: two columns have one name ({', '.join(names)})")
    for number, row in enumerate(body):
        if len(row) != len(names):
            raise ShapeError(f"{where}: row {number} under the names has {len(row)} cells for {len(names)} columns")
    return {name: list(column) for name, column in zip(names, zip(*body, strict=True), strict=True)}
