"""Large files of rows (Parquet, CSV, JSON), of which only the rows and columns that are asked for are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from octo.errors import MissingKey, ShapeError, nearest
from step_library.kit.files.file_io import reading
from step_library.kit.formats import csv_text
from step_library.kit.formats.json_text import json_items, json_lines
from step_library.kit.formats.row_source import AT_ONCE, Row, Source, WholeSource, check_names
from step_library.kit.formats.typed_rows import cast_rows, number_or_text
from step_library.kit.values.ctx_values import described

FORMATS = ("parquet", "csv", "tsv", "json", "jsonl")


class CsvSource(WholeSource):
    """CSV: the first row names the columns, text that is a JSON number becomes one."""

    def __init__(self, stream: Any, where: str, schema: Mapping[str, Any], style: csv_text.Style,
                 numbers: bool) -> None:
        super().__init__(where, schema)
        self._rows = (row for row in csv_text.iter_rows(stream, where, style) if row)
        self._numbers = numbers
        self.names = next(self._rows, None)
        if self.names is None:
            raise ShapeError(f"{where} is empty; its first row is to name the columns")
        check_names(self.names, where)

    def batches(self) -> Iterator[list[Row]]:
        names = self.names or []
        at = 0
        while cells := list(islice(self._rows, AT_ONCE)):
            batch = []
            for number, row in enumerate(cells, at):
                if len(row) != len(names):
                    raise ShapeError(f"{self.where}: row {number} has {len(row)} columns, the first row names "
                                     f"{len(names)}")
                batch.append(dict(zip(names, row, strict=True)))
            if self._numbers:
                typed = [name for name in names if name not in self.schema]
                for each in batch:
                    for name in typed:
                        each[name] = number_or_text(each[name])
            cast_rows(batch, self.schema, self.where, numbers=range(at, at + len(batch)))
            at += len(batch)
            yield batch


class JsonSource(WholeSource):
    """A list of dicts, or a dict a line."""

    def __init__(self, items: Iterator[Any], where: str, schema: Mapping[str, Any]) -> None:
        super().__init__(where, schema)
        self._items = items
        self._asked: set[str] = set()

    def check(self, names: Sequence[str]) -> None:
        self._asked.update(names)  # what there is, is known at the end

    def batches(self) -> Iterator[list[Row]]:
        at = 0
        seen: set[str] = set()
        while batch := list(islice(self._items, AT_ONCE)):
            for number, row in enumerate(batch, at):
                if not isinstance(row, dict):
                    raise ShapeError(f"{self.where}: row {number} is to be a dict, not {described(row)}")
            cast_rows(batch, self.schema, self.where, convert=False, numbers=range(at, at + len(batch)))
            seen.update(chain.from_iterable(batch))
            at += len(batch)
            yield batch
        for name in sorted(self._asked - seen if at else ()):
            raise MissingKey(f"{self.where}: no row has {name!r}{nearest(name, seen)}")


@contextmanager
def source_of(path: Path, kind: str, schema: Mapping[str, Any], style: csv_text.Style,
              numbers: bool) -> Iterator[Source]:
    """The file, open for the time of the block; NoSuchFile where it is not there."""
    where = str(path)
    with reading(path) as stream:
        if kind == "parquet":
            from step_library.kit.formats.parquet_source import ParquetSource

            yield ParquetSource(stream, where, schema)
        elif kind in ("csv", "tsv"):
            yield CsvSource(stream, where, schema, style, numbers)
        else:
            yield JsonSource((json_items if kind == "json" else json_lines)(stream, where), where, schema)
