"""Parquet files as sources of rows: by their metadata only what is asked for is read."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from octo.errors import NotAvailable, OctoError
from step_library.kit.files.file_io import BadFile
from step_library.kit.formats.row_source import AT_ONCE, Row, Source, Tests, check_names
from step_library.kit.formats.typed_rows import cast_rows
from step_library.kit.values.json_values import json_cell


def _pyarrow_or_hint(part: str) -> Any:
    """pyarrow or a module of it; NotAvailable with what to type where it is not installed."""
    try:
        return importlib.import_module(part)
    except ImportError:
        raise NotAvailable("Parquet files need pyarrow", hints=["pip install 'octo-step-engine[data]'"]) from None


class ParquetSource(Source):
    """Parquet: what comes before the rows is skipped by its metadata, other columns are not read."""

    def __init__(self, stream: Any, where: str, schema: Mapping[str, Any]) -> None:
        super().__init__(where, schema)
        self._arrow = _pyarrow_or_hint("pyarrow")
        with self._telling():
            self._file = _pyarrow_or_hint("pyarrow.parquet").ParquetFile(stream, buffer_size=1 << 20)
            self.names = self._file.schema_arrow.names
        check_names(self.names, where)

    def rows(self, columns: Sequence[str] | None, tests: Tests, first: int) -> Iterator[Row]:
        wanted = list(self.names or ()) if columns is None else list(columns)
        self.check([*wanted, *tests])
        for at, batch, places in self._fitting(wanted, tests, first):
            cells = [self._cells(batch.column(name), places) for name in wanted]
            found = [dict(zip(wanted, row, strict=True)) for row in zip(*cells, strict=True)]
            cast_rows(found, {name: kind for name, kind in self.schema.items() if name in wanted}, self.where,
                      convert=False, numbers=[at + place for place in places])
            yield from found

    def shape(self, tests: Tests) -> tuple[int, list[str]]:
        self.check(list(tests))
        if not tests:
            return self._file.metadata.num_rows, list(self.names or ())
        return sum(len(places) for _, _, places in self._fitting([], tests, 0)), list(self.names or ())

    def _fitting(self, wanted: Sequence[str], tests: Tests, first: int) -> Iterator[tuple[int, Any, Sequence[int]]]:
        """Batches of rows with the number of their first one, and which of their rows fit."""
        columns = list(dict.fromkeys([*wanted, *tests]))
        at = 0
        for group in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(group).num_rows
            if not tests and first >= size:
                at, first = at + size, first - size
                continue
            for batch in self._batches(group, columns):
                places: Sequence[int] = range(batch.num_rows)
                for name, test in tests.items():
                    kept = zip(places, self._cells(batch.column(name), places), strict=True)
                    places = [place for place, value in kept if test(value)]
                first, places = max(first - len(places), 0), places[first:]
                if places:
                    yield at, batch, places
                at += batch.num_rows

    def _batches(self, group: int, columns: list[str]) -> Iterator[Any]:
        with self._telling():
            yield from self._file.iter_batches(AT_ONCE, [group], columns)

    def _cells(self, column: Any, places: Sequence[int]) -> list[Any]:
        """Some of its values, as JSON has them."""
        arrow = self._arrow
        if len(places) < len(column):
            column = column.take(arrow.array(places, arrow.int64()))
        kind = column.type
        if getattr(kind, "unit", "") == "ns":  # Python's times have microseconds; what is finer is left out
            if arrow.types.is_timestamp(kind):
                column = column.cast(arrow.timestamp("us", kind.tz), safe=False)
            else:
                column = column.cast(arrow.time64("us") if arrow.types.is_time64(kind) else arrow.duration("us"),
                                     safe=False)
        values: list[Any] = column.to_pylist()
        direct = arrow.types.is_integer(kind) or arrow.types.is_boolean(kind) or arrow.types.is_string(kind)
        return values if direct else list(map(json_cell, values))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (self._arrow.ArrowException, OSError) as error:
            if isinstance(error, OctoError):
                raise
            raise BadFile(f"{self.where} is no Parquet file, or damaged: {error}") from None
