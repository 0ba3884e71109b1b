"""Rows as CSV and back: one writer and one reader behind all steps that do so, in pieces, checked on the way."""

from __future__ import annotations

import codecs
import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from octo.errors import ShapeError, UsageError
from step_library.kit.values.ctx_values import described

CHUNK = 1_000
"""Rows that are written at a time: many more at once are slower, as the garbage collector goes through them."""
MOST_TEXT = 1 << 30
"""Characters in a cell that is read. The limit is the process's own, so it is raised and never taken back."""
_SCALARS = {str, int, float, bool, type(None)}
QUOTING: dict[str, Any] = {"minimal": csv.QUOTE_MINIMAL, "all": csv.QUOTE_ALL, "nonnumeric": csv.QUOTE_NONNUMERIC,
                           "none": csv.QUOTE_NONE}


@dataclass(frozen=True)
class Style:
    """How CSV is spelt."""

    delimiter: str = ","
    quoting: str = "minimal"
    line_end: str = "\n"
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '\r\n"':
            raise UsageError(f"delimiter: {self.delimiter!r} is not one character that can stand between cells")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise UsageError(f"encoding: there is no encoding {self.encoding!r}") from None


@dataclass(frozen=True)
class Table:
    """Rows with the names of their columns, where they have any; `fields`: the rows are dicts of these."""

    rows: Sequence[Any]
    names: list[str] | None = None
    fields: list[str] | None = None

    def chunks(self) -> Iterator[list[Sequence[Any]]]:
        """The rows as lists of cells, some at a time, the names before them."""
        if self.names is not None:
            yield [self.names]
        for start in range(0, len(self.rows), CHUNK):
            chunk = self.rows[start : start + CHUNK]
            yield list(chunk) if self.fields is None else self._cells(chunk)

    def _cells(self, chunk: Sequence[Any]) -> list[Sequence[Any]]:
        fields = self.fields or []
        if len(fields) > 1:
            with suppress(KeyError):  # the fast way, where no row lacks a key
                return list(map(itemgetter(*fields), chunk))
        return [[*map(row.get, fields)] for row in chunk]


def table_of(rows: Sequence[Any], where: str, *, header: bool | Sequence[str] | None = None,
             ragged: bool = True) -> Table:
    """The rows of ctx as a table: lists of cells as they are, dicts with the names of their keys before them.

    `header`: names to put before the rows (of dicts: the columns to take), False for no names (of lists: their first
    row is left out). ShapeError where a row is of another kind than the first, or `ragged` is not wanted and it is.
    """
    kinds = set(map(type, rows))
    if all(issubclass(kind, Mapping) for kind in kinds) and rows:
        found = dict.fromkeys(chain.from_iterable(rows))
        fields = list(map(str, header)) if isinstance(header, Sequence) else list(found)
        unknown = [name for name in fields if name not in found]
        if unknown:
            raise ShapeError(f"{where}: no row has a column {unknown[0]!r}; there are {', '.join(map(str, found))}")
        if not ragged and set(map(len, rows)) != {len(found)}:
            number = next(number for number, row in enumerate(rows) if len(row) != len(found))
            lacks = next(name for name in found if name not in rows[number])
            raise ShapeError(f"{where}: row {number} has no {lacks!r}")
        return Table(rows, None if header is False else fields, fields)
    if not all(issubclass(kind, (list, tuple)) for kind in kinds):
        first = isinstance(rows[0], Mapping)
        number, row = next((number, row) for number, row in enumerate(rows)
                           if not isinstance(row, Mapping if first else (list, tuple)))
        raise ShapeError(f"{where}: row {number} is to be a {'dict' if first else 'list'}, not {described(row)}")
    if any(issubclass(kind, Mapping) for kind in kinds):
        raise ShapeError(f"{where} has rows that are lists and rows that are dicts")
    if header is False:
        rows = rows[1:]
    names = list(map(str, header)) if isinstance(header, Sequence) else None
    width = len(names) if names is not None else len(rows[0]) if rows else 0
    if not ragged and any(len(row) != width for row in rows):
        number = next(number for number, row in enumerate(rows) if len(row) != width)
        raise ShapeError(f"{where}: row {number} has {len(rows[number])} columns, not {width}")
    return Table(rows, names)


def pieces(table: Table, where: str, style: Style) -> Iterator[bytes]:
    """The bytes of the CSV file. null is an empty cell, as NaN is; a list or dict in a cell is JSON."""
    encode = codecs.getincrementalencoder(style.encoding)().encode  # which marks only the beginning
    done = -1 if table.names is not None else 0
    for chunk in table.chunks():
        if not set(map(type, chain.from_iterable(chunk))) <= _SCALARS:
            chunk = [[_cell(cell, where, done + number) for cell in row] for number, row in enumerate(chunk)]
        text = _text(chunk, style)
        if "nan" in text or "inf" in text:  # most likely in a word
            finite = [[None if isinstance(cell, float) and not math.isfinite(cell) else cell for cell in row]
                      for row in chunk]
            text = _text(finite, style)
        try:
            yield encode(text)
        except UnicodeEncodeError as error:
            raise ShapeError(f"{where}: {error.object[error.start]!r} cannot be written in {style.encoding}") from None
        done += len(chunk)


def _text(chunk: Sequence[Sequence[Any]], style: Style) -> str:
    stream = io.StringIO(newline="")
    try:
        csv.writer(stream, delimiter=style.delimiter, quoting=QUOTING[style.quoting],
                   lineterminator=style.line_end, escapechar="\\" if style.quoting == "none" else None,
                   ).writerows(chunk)
    except csv.Error as error:
        raise ShapeError(f"the rows cannot be written as CSV: {error}") from None
    return stream.getvalue()


def _cell(cell: Any, where: str, number: int) -> Any:
    if type(cell) in _SCALARS:
        return cell
    from octo.errors import InvalidValue
    from octo.store.values import checked, dumps

    try:
        plain = checked(cell)
    except InvalidValue as error:
        if isinstance(cell, float):
            return None
        raise ShapeError(f"{where}: row {number} holds what is no JSON value: {error}") from None
    return dumps(plain).decode() if isinstance(plain, (list, dict)) else plain


def read_rows(stream: Any, name: str, style: Style) -> list[list[str]]:
    """All rows of a CSV file."""
    return list(iter_rows(stream, name, style))


def first_row(stream: Any, name: str, style: Style) -> list[str]:
    """The first row only; an empty list where there is none."""
    return next(iter_rows(stream, name, style), [])


def iter_rows(stream: Any, name: str, style: Style) -> Iterator[list[str]]:
    """The rows of a CSV file, every cell text; a mark at its beginning that Excel puts there is left out."""
    from step_library.kit.files.file_io import BadFile

    encoding = "utf-8-sig" if style.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else style.encoding
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    csv.field_size_limit(max(csv.field_size_limit(), MOST_TEXT))
    reader = csv.reader(text, delimiter=style.delimiter, strict=True)
    try:
        yield from reader
    except UnicodeDecodeError as error:
        raise BadFile(f"{name} is not text in {style.encoding} (near line {reader.line_num + 1}); give encoding: "
                      f"{error.reason}") from None
    except csv.Error as error:
        raise BadFile(f"{name}:{reader.line_num}: no CSV: {error}") from None
    finally:
        with suppress(ValueError):  # it is closed already
            text.detach()
