"""Rows of ctx into a table of SQLite (or by url of another database), and what a query finds into ctx."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from octo.errors import UsageError
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.file_io import FileFailed, allowed
from step_library.kit.formats.sql_parts import DONE, ONE, Part, parts_of
from step_library.kit.formats.sqlite_errors import telling
from step_library.kit.formats.sqlite_table import as_json, store
from step_library.kit.net.environment import shown
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx


@scriptlet(
    params=[
        Param("db", "path | null", None, "the SQLite file; it is made where there is none, its folder too"),
        *ONE,
        Param("batch", "list[dict]", [], "several of these, each with action, query and so on: all or none is done"),
        Param("read_only", "bool", False, "refuse every change, whatever the query is"),
        Param("timeout", "float", 30.0, "seconds to wait for a database that another program has locked, and for one "
              "on a server to answer when it is called"),
        Param("within", "str | list[str] | null", None, "folders that the file has to be in"),
        Param("url", "str | null", None, "instead of db: the SQLAlchemy URL of a database; secrets as ${NAME} from "
              "the environment: postgresql://me:${PGPASSWORD}@host/name"),
        Param("query_timeout", "float", 3600.0, "url of PostgreSQL: seconds that one statement may take"),
        LOG,
    ],
    one_of=[("db", "url")],
)
@logged(lambda ctx, params, result: f"{params['db'] or shown(params['url'])}: {result}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Store rows, run a query, or both: {"inserted": rows}, {"rows": rows found}, {"status": "noop"} for neither.

    All of it is one transaction, and ctx is changed after it. A list or dict in a cell is stored as JSON, true and
    false as 1 and 0. A query that finds nothing by its nature (UPDATE …) has the rows it `changed` in the result.
    Raises MissingKey, ShapeError, and SqlFailed (a sqlite3.Error). `batch` gives {"results": [...]}. With url the
    same; upsert and read_only there for SQLite and PostgreSQL, and columns of truth values take true and false.
    """
    if params["url"] is not None and params["within"] is not None:
        raise UsageError("within: it is for db, not for url")
    work = parts_of(ctx, params)
    if not any(part.action or part.query for part in work):
        return {"status": "noop"}
    if params["timeout"] < 0 or params["query_timeout"] < 0:
        raise UsageError("timeout and query_timeout: seconds from 0 on")
    if params["read_only"] and any(part.action for part in work):
        raise UsageError("read_only: an action changes the database")
    if params["url"] is not None:
        from step_library.kit.formats.sql_urls import in_database

        done = in_database(params["url"], work, params["read_only"], params["timeout"], params["query_timeout"])
    else:
        done = _in_file(params["db"], work, params)
    for part in work:
        if part.query:
            ctx[part.options["out"]] = part.found
    return {"results": done} if params["batch"] else done[0]


def _in_file(db: str, work: Sequence[Part], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    target = allowed(db, params["within"])
    if all(part.changes_nothing for part in work):
        return [{DONE[part.action]: 0} for part in work]  # nothing is made
    is_new = not target.exists()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailed(f"{db} cannot be made: {error.strerror}") from None
    try:
        with telling(db, "open"):
            connection = sqlite3.connect(target, timeout=params["timeout"], isolation_level=None)
        with closing(connection):
            return _all(connection, db, work, params["read_only"])
    except BaseException:
        if is_new:
            with suppress(OSError):
                if not os.path.getsize(target):
                    target.unlink()
        raise


def _all(connection: sqlite3.Connection, db: str, work: Sequence[Part], read_only: bool) -> list[dict[str, Any]]:
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    alone = len(work) == 1 and not work[0].action  # VACUUM and the like do not go into a transaction
    if not alone:
        with telling(db, "begin"):
            connection.execute("BEGIN IMMEDIATE" if any(part.action for part in work) else "BEGIN")
    try:
        results = [_done(connection, db, part) for part in work]
        with telling(db, "commit"):
            if connection.in_transaction:
                connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise
    return results


def _done(connection: sqlite3.Connection, db: str, part: Part) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if part.action is not None:
        with telling(db, f"{part.action}, table {part.options['table']!r}"):
            count = store(connection, part.action, part.rows, part.options) if part.rows.count else 0
            result[DONE[part.action]] = count
    if part.query is not None:
        with telling(db, part.what):
            cursor = connection.execute(part.query, part.bound)
            if cursor.description is None:
                return result | part.take_nothing(cursor.rowcount)
            return result | part.take([column[0] for column in cursor.description], as_json(part.chosen(cursor)))
    return result


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_sqlite")
