"""A file of rows as steps read it: some rows at a time, those that fit, its shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from octo.errors import MissingKey, ShapeError, nearest
from step_library.kit.formats.row_filter import Test, fits
from step_library.kit.formats.typed_rows import type_name

AT_ONCE = 4096
"""Rows that are in memory at a time, beside those that are asked for."""

Row = dict[str, Any]
Tests = Mapping[str, Test]


class Source(ABC):
    """A file whose rows come as dicts, some at a time. `names`: its columns, where the file says them beforehand."""

    names: list[str] | None = None

    def __init__(self, where: str, schema: Mapping[str, Any]) -> None:
        self.where, self.schema = where, {name: type_name(kind) for name, kind in schema.items()}

    @abstractmethod
    def rows(self, columns: Sequence[str] | None, tests: Tests, first: int) -> Iterator[Row]:
        """The rows that fit, from the one of number `first` (from 0) on; only these columns."""

    @abstractmethod
    def shape(self, tests: Tests) -> tuple[int, list[str]]:
        """How many rows fit, and the names of all columns."""

    def check(self, names: Sequence[str]) -> None:
        """MissingKey where the file says that it has no such column."""
        known = self.names
        for name in [*names, *self.schema]:
            if known is not None and name not in known:
                raise MissingKey(f"{self.where} has no column {name!r}{nearest(name, known) or _some(known)}")


class WholeSource(Source):
    """One that is read from its beginning, some rows at a time."""

    @abstractmethod
    def batches(self) -> Iterator[list[Row]]:
        """All its rows."""

    def rows(self, columns: Sequence[str] | None, tests: Tests, first: int) -> Iterator[Row]:
        self.check([*(columns or ()), *tests])
        found = (row for row in chain.from_iterable(self.batches()) if fits(row, tests))
        for row in islice(found, first, None):
            yield row if columns is None else {name: row.get(name) for name in columns}

    def shape(self, tests: Tests) -> tuple[int, list[str]]:
        self.check(list(tests))
        names, count = dict.fromkeys(self.names or ()), 0
        for row in chain.from_iterable(self.batches()):
            count += fits(row, tests)
            names.update(dict.fromkeys(row))
        return count, list(names)


def check_names(names: Sequence[str], where: str) -> None:
    """ShapeError where two columns have one name."""
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ShapeError(f"{where}: two columns are called {twice[0]!r}")


def _some(names: Sequence[str]) -> str:
    return f"; it has {', '.join(names[:10])}" + (" …" if len(names) > 10 else "")
