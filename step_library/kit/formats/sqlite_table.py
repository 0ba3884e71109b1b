"""Rows of ctx in a table of SQLite: names quoted, types found, values turned both ways, errors that name the place."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from octo.errors import InvalidValue, MissingKey, ShapeError, UsageError, nearest
from step_library.kit.values.ctx_values import described
from step_library.kit.values.json_values import json_cell

TYPES = ("INTEGER", "REAL", "TEXT", "NUMERIC", "BLOB")
_DIRECT = {str, int, float, bool, type(None)}


def quoted(name: Any) -> str:
    """A name of a table or column as SQL has it."""
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise UsageError(f"{name!r} is no name of a table or column")
    return '"' + name.replace('"', '""') + '"'


class Rows:
    """Rows to store: dicts, or lists with `columns`; what a row lacks is NULL, unless `strict`."""

    def __init__(self, rows: Sequence[Any], where: str, columns: Sequence[str] | None, strict: bool) -> None:
        wanted: Any = Mapping if columns is None else (list, tuple)
        if not all(issubclass(kind, wanted) for kind in set(map(type, rows))):
            number = next(number for number, row in enumerate(rows) if not isinstance(row, wanted))
            raise ShapeError(f"{where}: row {number} is to be a "
                             f"{'dict' if columns is None else 'list, as columns are given'}; it is "
                             f"{described(rows[number])}")
        if columns is not None and not set(map(len, rows)) <= {len(columns)}:
            number = next(number for number, row in enumerate(rows) if len(row) != len(columns))
            raise ShapeError(f"{where}: row {number} has {len(rows[number])} cells for {len(columns)} columns")
        self.where = where
        self.count = len(rows)
        self.names = list(dict.fromkeys(chain.from_iterable(rows) if columns is None else columns))
        if columns is not None and len(self.names) != len(columns):
            raise UsageError("columns: one is named twice")
        for name in self.names:
            quoted(name)
        whole = columns is not None or set(map(len, rows)) <= {len(self.names)}
        if strict and not whole:
            number = next(number for number, row in enumerate(rows) if len(row) != len(self.names))
            lacks = next(name for name in self.names if name not in rows[number])
            raise ShapeError(f"{where}: row {number} has no {lacks!r}, which others have")
        if columns is not None:
            kinds = [set(map(type, map(itemgetter(place), rows))) for place in range(len(self.names))]
        elif whole:
            kinds = [set(map(type, map(itemgetter(name), rows))) for name in self.names]
        else:
            kinds = [{type(row.get(name)) for row in rows} for name in self.names]
        self.types = {name: _type_of(kind) for name, kind in zip(self.names, kinds, strict=True)}
        direct = all(kind <= _DIRECT for kind in kinds)
        if columns is not None:
            self._cells: Callable[[], Iterable[Sequence[Any]]] = lambda: rows
        elif whole and len(self.names) > 1:
            self._cells = lambda: map(itemgetter(*self.names), rows)
        else:
            self._cells = lambda: (tuple(map(row.get, self.names)) for row in rows)
        if not direct:
            found = [tuple(_to_sql(cell, where, number) for cell in row) for number, row in enumerate(self._cells())]
            self._cells = lambda: found

    @property
    def cells(self) -> Iterable[Sequence[Any]]:
        """The rows as SQL takes them; made while they are read."""
        return self._cells()

    def picked(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        """The cells of these columns, row by row."""
        if list(names) == self.names:
            return self.cells
        places = [self.names.index(name) for name in names]
        return ([row[place] for place in places] for row in self.cells)

    def need(self, names: Sequence[str], parameter: str) -> None:
        """MissingKey or ShapeError where a column that tells rows apart is not there, or null."""
        for name in names:
            if name not in self.names:
                raise MissingKey(f"{parameter}: {self.where} has no column {name!r}{nearest(name, self.names)}")
            place = self.names.index(name)
            for number, row in enumerate(self.cells):
                if row[place] is None:
                    raise ShapeError(f"{self.where}: row {number} has no {name!r}, which {parameter} needs")


def _type_of(kinds: set[type]) -> str:
    kinds = kinds - {type(None)}
    if kinds and kinds <= {int, bool}:
        return "INTEGER"
    return "REAL" if kinds and kinds <= {int, bool, float} else "TEXT"


def _to_sql(cell: Any, where: str, number: int) -> Any:
    if type(cell) in _DIRECT:
        return cell
    from octo.store.values import checked, dumps

    try:
        plain = checked(cell)
    except InvalidValue as error:
        raise ShapeError(f"{where}: row {number} holds what is no JSON value: {error}") from None
    return dumps(plain).decode() if isinstance(plain, (list, dict)) else plain


def as_json(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """What SQLite gives, as ctx holds it: bytes as text (base64 where they are none), infinities as null."""
    kinds = set(map(type, chain.from_iterable(rows)))
    if bytes in kinds or (float in kinds and any(sign in chain.from_iterable(rows) for sign in (math.inf, -math.inf))):
        return [[json_cell(cell) for cell in row] for row in rows]
    return list(map(list, rows))


def prepare(connection: sqlite3.Connection, table: str, rows: Rows, fields: Mapping[str, str], migrate: bool) -> None:
    """Make the table where there is none; a column that it lacks is added, or refused."""
    there = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
    names = list(dict.fromkeys([*rows.names, *fields]))
    kinds = {**rows.types, **fields}
    if not there:
        columns = ", ".join(f"{quoted(name)} {kinds[name]}" for name in names)
        connection.execute(f"CREATE TABLE {quoted(table)} ({columns})")
        return
    known = {name.lower() for name in there}
    for name in names:
        if name.lower() in known:
            continue
        if not migrate:
            raise ShapeError(f"table {table!r} has no column {name!r}{nearest(name, there)}; it has "
                             f"{', '.join(there)} (migrate: true adds columns)")
        connection.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(name)} {kinds[name]}")


def index(connection: sqlite3.Connection, table: str, columns: Sequence[str], unique: bool = False) -> None:
    """An index on these columns, unless it is there."""
    name = quoted(f"{'unique' if unique else 'index'}_{table}_{'_'.join(columns)}")
    connection.execute(f"CREATE {'UNIQUE ' if unique else ''}INDEX IF NOT EXISTS {name} ON {quoted(table)} "
                       f"({', '.join(map(quoted, columns))})")


def store(connection: sqlite3.Connection, action: str, rows: Rows, options: Mapping[str, Any]) -> int:
    """Insert, update, upsert or delete the rows; how many it were."""
    table, match = options["table"], options["match"]
    if action in ("insert", "upsert"):
        prepare(connection, table, rows, {name: kind.upper() for name, kind in options["fields"].items()},
                options["migrate"])
        for columns in options["indexes"]:
            index(connection, table, [columns] if isinstance(columns, str) else columns)
    others = [name for name in rows.names if name not in match]
    where = " AND ".join(f"{quoted(name)} = ?" for name in match)
    marks = ", ".join("?" * len(rows.names))
    insert = f"INSERT INTO {quoted(table)} ({', '.join(map(quoted, rows.names))}) VALUES ({marks})"
    if action == "insert":
        connection.executemany(insert, rows.cells)
        return rows.count
    if action == "upsert":
        index(connection, table, match, unique=True)
        change = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in others)
        connection.executemany(f"{insert} ON CONFLICT ({', '.join(map(quoted, match))}) DO "
                               + (f"UPDATE SET {change}" if change else "NOTHING"), rows.cells)
        return rows.count
    if action == "delete":
        return connection.executemany(f"DELETE FROM {quoted(table)} WHERE {where}", rows.picked(match)).rowcount
    if not others:
        raise ShapeError(f"{rows.where} has no columns but those of match: there is nothing to update")
    change = ", ".join(f"{quoted(name)} = ?" for name in others)
    return connection.executemany(f"UPDATE {quoted(table)} SET {change} WHERE {where}",
                                  rows.picked([*others, *match])).rowcount
