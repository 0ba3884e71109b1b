"""Rows of ctx into a table of SQLite, and what a query finds into ctx; several together are one transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from itertools import islice
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError
from octo.param import Table
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.file_io import FileFailed, NoSuchFile, allowed
from step_library.kit.formats.sqlite_errors import telling
from step_library.kit.formats.sqlite_table import TYPES, Rows, as_json, quoted, store
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, plain, plain_list

ACTIONS = ("insert", "update", "upsert", "delete")
DONE = {"insert": "inserted", "update": "updated", "upsert": "upserted", "delete": "deleted"}
ONE = [
    Param("action", "str | null", None, "what to do with the rows", choices=ACTIONS),
    Param("key", "str | null", None, "key of ctx with the rows: dicts, or lists with columns",
          required_when={"action": ACTIONS}),
    Param("table", "str | null", None, "the table; it is made where there is none, its types found from the rows",
          required_when={"action": ACTIONS}),
    Param("query", "str | null", None, "SQL to run (after the action); what it finds goes to ctx[out]"),
    Param("out", "str", "sql_result", "key of ctx for what the query finds: a list of rows"),
    Param("params", "list | dict | null", None, "values for ? or :name in the query; ctx:KEY is what stands there in "
          "ctx", ("bind",)),
    Param("match", "list[str]", [], "columns that tell which row is meant",
          required_when={"action": ACTIONS[1:]}),
    Param("fields", "dict[str, str]", {}, "types of columns of a new table: INTEGER, REAL, TEXT, NUMERIC, BLOB"),
    Param("columns", "list[str] | null", None, "names of the cells, where rows are lists"),
    Param("strict", "bool", False, "refuse rows that lack a column of others; else it is NULL"),
    Param("migrate", "bool", False, "add columns that the table lacks"),
    Param("indexes", "list", [], "columns (or lists of columns) to make an index on"),
    Param("as_dict", "bool", False, "rows found are dicts by column"),
    Param("scalar", "bool", False, "only the first cell of the first row found; null where there is none"),
    Param("limit", "int | null", None, "at most so many of the rows found"),
    Param("offset", "int", 0, "leave out so many of the rows found"),
]


@scriptlet(
    params=[
        Param("db", "path", help="the SQLite file; it is made where there is none, its folder too"),
        *ONE,
        Param("batch", "list[dict]", [], "several of these, each with action, query and so on: all or none is done"),
        Param("read_only", "bool", False, "refuse every change, whatever the query is"),
        Param("timeout", "float", 30.0, "seconds to wait for a database that another program has locked"),
        Param("within", "str | list[str] | null", None, "folders that the file has to be in"),
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"{params['db']}: {result}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Store rows, run a query, or both: {"inserted": rows}, {"rows": rows found}, {"status": "noop"} for neither.

    All of it is one transaction, and ctx is changed after it. A list or dict in a cell is stored as JSON, true and
    false as 1 and 0. A query that finds nothing by its nature (UPDATE …) has the rows it `changed` in the result.
    Raises MissingKey, ShapeError, and SqlFailed (a sqlite3.Error). `batch` gives {"results": [...]}.
    """
    db = params["db"]
    given = {param.name: params[param.name] for param in ONE}
    parts = [Table(tuple(ONE)).fill(part) for part in params["batch"]] if params["batch"] else [given]
    if params["batch"] and any(given[name] for name in ("action", "query")):
        raise UsageError("batch: put the action and the query into it")
    work = [_Part(ctx, part) for part in parts]
    if not any(part.action or part.query for part in work):
        return {"status": "noop"}
    target = allowed(db, params["within"])
    if params["timeout"] < 0:
        raise UsageError("timeout: seconds from 0 on")
    if params["read_only"] and any(part.action for part in work):
        raise UsageError("read_only: an action changes the database")
    if params["read_only"] and not target.exists():
        raise NoSuchFile(f"there is no database {db}, and read_only makes none")
    if not any(part.query or part.rows.count for part in work):
        results = [{DONE[part.action]: 0} for part in work]  # nothing is made
        return {"results": results} if params["batch"] else results[0]
    is_new = not target.exists()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailed(f"{db} cannot be made: {error.strerror}") from None
    try:
        with telling(db, "open"):
            connection = sqlite3.connect(target, timeout=params["timeout"], isolation_level=None)
        with closing(connection):
            done = _all(connection, db, work, params["read_only"])
    except BaseException:
        if is_new:
            with suppress(OSError):
                if not os.path.getsize(target):
                    target.unlink()
        raise
    for part in work:
        if part.query:
            ctx[part.options["out"]] = part.found
    return {"results": done} if params["batch"] else done[0]


def _all(connection: sqlite3.Connection, db: str, work: Sequence[_Part], read_only: bool) -> list[dict[str, Any]]:
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    alone = len(work) == 1 and not work[0].action  # VACUUM and the like do not go into a transaction
    if not alone:
        with telling(db, "begin"):
            connection.execute("BEGIN IMMEDIATE" if any(part.action for part in work) else "BEGIN")
    try:
        results = [part.done(connection, db) for part in work]
        with telling(db, "commit"):
            if connection.in_transaction:
                connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise
    return results


class _Part:
    """One action, one query, or both; checked before the database is opened."""

    def __init__(self, ctx: Ctx, options: Mapping[str, Any]) -> None:
        self.options, self.action, self.query = options, options["action"], options["query"]
        self.found: Any = []
        self.rows: Rows = Rows([], "", None, False)
        if self.query is not None and not self.query.strip():
            raise UsageError("query: it is empty")
        if options["offset"] < 0 or (options["limit"] or 0) < 0:
            raise UsageError("limit and offset count rows, from 0 on")
        self.bound = _bound(ctx, options["params"])
        if self.action is None:
            return
        quoted(options["table"])
        for column, kind in options["fields"].items():
            if str(kind).upper() not in TYPES:
                raise UsageError(f"fields: {column!r} is to be one of {', '.join(TYPES)}, not {kind!r}")
        self.rows = Rows(plain_list(ctx, options["key"]), f"ctx[{options['key']!r}]", options["columns"],
                         options["strict"])
        if self.action != "insert":
            if not options["match"]:
                raise MissingKey(f"parameter 'match' is missing: {self.action} needs the columns that tell rows apart")
            if self.rows.count:
                self.rows.need(options["match"], "match")

    def done(self, connection: sqlite3.Connection, db: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if self.action is not None:
            with telling(db, f"{self.action}, table {self.options['table']!r}"):
                if self.rows.count:
                    result[DONE[self.action]] = store(connection, self.action, self.rows, self.options)
                else:
                    result[DONE[self.action]] = 0
        if self.query is not None:
            with telling(db, self.query if len(self.query) < 200 else self.query[:199] + "…"):
                result |= self._ask(connection)
        return result

    def _ask(self, connection: sqlite3.Connection) -> dict[str, Any]:
        options = self.options
        cursor = connection.execute(self.query, self.bound)
        if cursor.description is None:
            self.found = None if options["scalar"] else []
            return {"rows": 0, "changed": max(cursor.rowcount, 0)}
        stop = None if options["limit"] is None else options["offset"] + options["limit"]
        rows = as_json(list(islice(cursor, options["offset"], stop)))
        names = [column[0] for column in cursor.description]
        self.found = rows
        if options["scalar"]:
            self.found = rows[0][0] if rows else None
        elif options["as_dict"]:
            if len(set(names)) != len(names):
                raise ShapeError(f"as_dict: two columns have one name ({', '.join(names)}); rename one with AS")
            self.found = [dict(zip(names, row, strict=True)) for row in rows]
        return {"rows": len(rows)}


def _bound(ctx: Ctx, given: Any) -> Any:
    def value(each: Any) -> Any:
        found = plain(ctx, each[4:]) if isinstance(each, str) and each.startswith("ctx:") else each
        if isinstance(found, (list, Mapping)):
            raise ShapeError(f"params: {each!r} is to be one value, not a list or dict")
        return found

    if isinstance(given, Mapping):
        return {name: value(each) for name, each in given.items()}
    return [value(each) for each in given or ()]


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_sqlite")
