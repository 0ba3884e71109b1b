"""Rows of ctx in a table of any database that SQLAlchemy knows: the table made or checked, the rows stored."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from octo.errors import ShapeError, UsageError, nearest
from step_library.kit.formats.sqlite_table import Rows

AT_ONCE = 10_000
"""Rows that are handed to the database at a time."""

UPSERT = ("sqlite", "postgresql")
TYPES = {"INTEGER": "BigInteger", "REAL": "Double", "TEXT": "Text", "NUMERIC": "Numeric", "BLOB": "LargeBinary"}


def store(connection: Any, action: str, rows: Rows, options: Mapping[str, Any]) -> int:
    """Insert, update, upsert or delete the rows; how many it were."""
    match = options["match"]
    quote = partial(_quoted, connection)
    table = quote(options["table"])
    if action == "upsert" and connection.dialect.name not in UPSERT:
        raise UsageError(f"upsert is there for SQLite and PostgreSQL, not for {connection.dialect.name}; put a delete "
                         "and an insert into a batch")
    if action in ("insert", "upsert"):
        _prepare(connection, rows, options)
    truths = _truths(connection, options["table"])
    others = [name for name in rows.names if name not in match]
    insert = f"INSERT INTO {table} ({', '.join(map(quote, rows.names))}) VALUES ({', '.join(_marks(rows.names))})"
    if action == "insert":
        _many(connection, insert, rows.cells, rows.names, truths)
        return rows.count
    if action == "upsert":
        _index(connection, options["table"], match, unique=True)
        change = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in others)
        insert += f" ON CONFLICT ({', '.join(map(quote, match))}) DO "
        insert += f"UPDATE SET {change}" if change else "NOTHING"
        _many(connection, insert, rows.cells, rows.names, truths)
        return rows.count
    names = match if action == "delete" else [*others, *match]
    places = dict(zip(names, _marks(names), strict=True))
    where = " AND ".join(f"{quote(name)} = {places[name]}" for name in match)
    if action == "delete":
        return _many(connection, f"DELETE FROM {table} WHERE {where}", rows.picked(names), names, truths)
    if not others:
        raise ShapeError(f"{rows.where} has no columns but those of match: there is nothing to update")
    change = ", ".join(f"{quote(name)} = {places[name]}" for name in others)
    return _many(connection, f"UPDATE {table} SET {change} WHERE {where}", rows.picked(names), names, truths)


def _prepare(connection: Any, rows: Rows, options: Mapping[str, Any]) -> None:
    """Make the table where there is none, with its indexes; a column that it lacks is added, or refused."""
    sqlalchemy = importlib.import_module("sqlalchemy")
    fields = {name: kind.upper() for name, kind in options["fields"].items()}
    kinds = {name: getattr(sqlalchemy, TYPES[kind])() for name, kind in {**rows.types, **fields}.items()}
    table = options["table"]
    look = sqlalchemy.inspect(connection)
    if not look.has_table(table):
        columns = [sqlalchemy.Column(name, kind, quote=True, primary_key=False) for name, kind in kinds.items()]
        sqlalchemy.Table(table, sqlalchemy.MetaData(), *columns, quote=True).create(connection)
    else:
        there = [column["name"] for column in look.get_columns(table)]
        any_case = connection.dialect.name != "postgresql"
        known = {name.lower() for name in there} if any_case else set(there)
        quote = partial(_quoted, connection)
        for name, kind in kinds.items():
            if (name.lower() if any_case else name) in known:
                continue
            if not options["migrate"]:
                raise ShapeError(f"table {table!r} has no column {name!r}{nearest(name, there)}; it has "
                                 f"{', '.join(there)} (migrate: true adds columns)")
            connection.execute(sqlalchemy.text(f"ALTER TABLE {quote(table)} ADD COLUMN {quote(name)} "
                                               f"{kind.compile(connection.dialect)}"))
    for columns in options["indexes"]:
        _index(connection, table, [columns] if isinstance(columns, str) else columns)


def _index(connection: Any, table: str, columns: Sequence[str], unique: bool = False) -> None:
    """An index on these columns, unless it is there."""
    sqlalchemy = importlib.import_module("sqlalchemy")
    made = sqlalchemy.Table(table, sqlalchemy.MetaData(), *(sqlalchemy.Column(name, quote=True) for name in columns),
                            quote=True)
    name = f"{'unique' if unique else 'index'}_{table}_{'_'.join(columns)}"
    sqlalchemy.Index(name, *(made.columns[each] for each in columns), unique=unique).create(connection, checkfirst=True)


def _truths(connection: Any, table: str) -> set[str]:
    """The columns that hold true and false: others have 1 and 0."""
    sqlalchemy = importlib.import_module("sqlalchemy")
    if connection.dialect.name == "sqlite" or not sqlalchemy.inspect(connection).has_table(table):
        return set()
    return {column["name"] for column in sqlalchemy.inspect(connection).get_columns(table)
            if isinstance(column["type"], sqlalchemy.Boolean)}


def _quoted(connection: Any, name: str) -> str:
    """A name as this database quotes it; a colon in it is none of the places for values."""
    marks = connection.dialect.identifier_preparer
    name = name.replace(marks.final_quote, marks.final_quote * 2).replace(":", "\\:")
    return f"{marks.initial_quote}{name}{marks.final_quote}"


def _marks(names: Sequence[str]) -> list[str]:
    return [f":v{place}" for place in range(len(names))]


def _many(connection: Any, statement: str, rows: Iterable[Sequence[Any]], names: Sequence[str],
          truths: set[str]) -> int:
    """Run it for each row; how many rows of the table it changed."""
    made = importlib.import_module("sqlalchemy").text(statement)
    true_or_false = [name in truths for name in names]
    marks = [f"v{place}" for place in range(len(names))]
    changed = 0
    all_at_once = connection.dialect.supports_sane_multi_rowcount or statement.startswith("INSERT")
    for chunk in _chunks(rows):
        values = [dict(zip(marks, map(_fitting, row, true_or_false), strict=True)) for row in chunk]
        if all_at_once:
            changed += connection.execute(made, values).rowcount
        else:
            changed += sum(connection.execute(made, one).rowcount for one in values)
    return changed


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    found = iter(rows)
    while chunk := list(islice(found, AT_ONCE)):
        yield chunk


def _fitting(value: Any, true_or_false: bool) -> Any:
    if type(value) is float:
        return value if math.isfinite(value) else None
    if true_or_false:
        return bool(value) if value in (0, 1) else value
    return int(value) if type(value) is bool else value
