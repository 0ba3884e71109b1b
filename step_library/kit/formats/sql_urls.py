"""Databases that are named by a URL: the work of steps in one transaction by SQLAlchemy; no message has a secret."""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from octo.errors import NotAvailable, OctoError, ShapeError, UsageError
from step_library.kit.formats.sql_parts import DONE, Part
from step_library.kit.formats.sqlite_errors import SqlConstraint, SqlFailed, SqlNotPossible
from step_library.kit.formats.url_tables import store
from step_library.kit.net.environment import NAMED, with_secrets
from step_library.kit.values.json_values import json_cell

DRIVERS = {"postgresql": "psycopg[binary]", "mysql": "pymysql", "mariadb": "pymysql", "mssql": "pyodbc",
           "oracle": "oracledb"}
TOKEN = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | --[^\n]* | /\*.*?\*/ | :: |
                       (?P<place>\?|:[A-Za-z_]\w*) | :""", re.VERBOSE | re.DOTALL)
"""Places for values in SQL, and all in which such signs are no places: texts, quoted names, comments, casts."""


@dataclass(frozen=True)
class Database:
    """An open engine, the name that messages have for it, and what they must not have."""

    engine: Any
    name: str
    secret: str

    @contextmanager
    def telling(self, what: str) -> Iterator[None]:
        """Errors of the database as Octo's, with its name and the statement."""
        errors = _sqlalchemy("sqlalchemy.exc")
        try:
            yield
        except errors.SQLAlchemyError as error:
            not_possible = (errors.OperationalError, errors.ProgrammingError, errors.InternalError)
            kind = SqlConstraint if isinstance(error, errors.IntegrityError) else \
                SqlNotPossible if isinstance(error, not_possible) else SqlFailed
            said = " ".join(str(getattr(error, "orig", None) or error).split())  # what SQLAlchemy adds has the values
            if self.secret:
                said = said.replace(self.secret, "***")
            raise kind(f"{self.name}: {said} ({what})") from None
        except OverflowError:
            raise ShapeError(f"{self.name}: a whole number of more than 64 bits does not fit ({what})") from None
        except UnicodeEncodeError:
            raise ShapeError(f"{self.name}: text with half a character does not fit ({what})") from None


def in_database(url: str, work: Sequence[Part], read_only: bool, timeout: float,
                query_timeout: float) -> list[dict[str, Any]]:
    """Do all of the work or nothing; the results. UsageError for what is no URL, NotAvailable without its driver."""
    database = _database(url, timeout)
    kind = database.engine.dialect.name
    if read_only and kind not in ("sqlite", "postgresql"):
        raise UsageError(f"read_only: it is there for SQLite and PostgreSQL, not for {kind}")
    if all(part.changes_nothing for part in work):
        return [{DONE[part.action]: 0} for part in work]
    alone = len(work) == 1 and not work[0].action and not read_only  # VACUUM and the like go into no transaction
    try:
        with database.telling("connect, begin or commit"), database.engine.connect() as connection:
            if alone:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execution_options(changes=any(part.action for part in work))
            with connection.begin():
                if kind == "postgresql":
                    for setting, seconds in (("lock_timeout", timeout), ("statement_timeout", query_timeout)):
                        milliseconds = max(1, math.ceil(seconds * 1000))  # 0 would be for ever
                        connection.exec_driver_sql(f"SET {setting} = {milliseconds}")
                if read_only:
                    connection.exec_driver_sql("PRAGMA query_only = ON" if kind == "sqlite" else
                                               "SET TRANSACTION READ ONLY")
                return [_done(connection, database, part) for part in work]
    finally:
        database.engine.dispose()


def _done(connection: Any, database: Database, part: Part) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if part.action is not None:
        with database.telling(f"{part.action}, table {part.options['table']!r}"):
            result[DONE[part.action]] = store(connection, part.action, part.rows, part.options) if part.rows.count \
                else 0
    if part.query is not None:
        with database.telling(part.what):
            text, values = _statement(part.query, part.bound, database.name)
            found = connection.execute(_sqlalchemy("sqlalchemy").text(text), values)
            if not found.returns_rows:
                return result | part.take_nothing(found.rowcount)
            rows = [[json_cell(cell) for cell in row] for row in part.chosen(found)]
            return result | part.take(list(found.keys()), rows)
    return result


def _statement(query: str, bound: Any, name: str) -> tuple[str, dict[str, Any]]:
    """The query as SQLAlchemy takes it, every value by name; what only looks like a place is escaped."""
    given = bound if isinstance(bound, dict) else {f"p{number}": value for number, value in enumerate(bound)}
    used = 0
    pieces = []
    end = 0
    for found in TOKEN.finditer(query):
        pieces.append(query[end:found.start()])
        end = found.end()
        place = found["place"]
        if place == "?" and isinstance(bound, list) and bound:
            pieces.append(f":p{used}")
            used += 1
        elif place and place != "?" and isinstance(bound, dict):
            if place[1:] not in given:
                raise SqlNotPossible(f"{name}: params has no value for {place} ({query})")
            pieces.append(place)
        else:
            pieces.append(found[0].replace(":", "\\:"))
    if isinstance(bound, list) and used != len(bound):
        raise SqlNotPossible(f"{name}: the query has {used} places, params has {len(bound)} values ({query})")
    return "".join([*pieces, query[end:]]), given if isinstance(bound, dict) or used else {}


def _database(url: str, timeout: float) -> Database:
    sqlalchemy, errors = _sqlalchemy("sqlalchemy"), _sqlalchemy("sqlalchemy.exc")
    try:
        parsed = sqlalchemy.make_url(with_secrets(url, "url") if NAMED.fullmatch(url) else url)
        secret = parsed.set(**{part: with_secrets(value, "url") for part in ("username", "password", "host", "database")
                               if (value := getattr(parsed, part))},
                            query={name: with_secrets(value, "url") for name, value in parsed.query.items()})
        kind = parsed.get_backend_name()
        if parsed.drivername == "postgresql" and _there("psycopg"):
            secret = secret.set(drivername="postgresql+psycopg")
        place = f"{parsed.host or ''}{f':{parsed.port}' if parsed.port else ''}/{parsed.database or ''}"
        more = {"sqlite": {"timeout": timeout}, "postgresql": {"connect_timeout": max(1, math.ceil(timeout))},
                "mysql": {"connect_timeout": max(1, math.ceil(timeout))}}
        engine = sqlalchemy.create_engine(secret, poolclass=_sqlalchemy("sqlalchemy.pool").NullPool,
                                          connect_args=more.get(kind, {}))
    except OctoError:
        raise
    except (errors.ArgumentError, ValueError):  # which may show the password
        raise UsageError("url: it is no URL of a database such as postgresql://user:${PGPASSWORD}@host:5432/name") \
            from None
    except ImportError as error:
        name = DRIVERS.get(kind, getattr(error, "name", None) or "its driver")
        raise NotAvailable(f"url: databases of {kind} need {name}", hints=[f"pip install '{name}'"]) from None
    if kind == "sqlite":
        _begin_at_once(engine)
    return Database(engine, f"{kind}://{place}", str(secret.password or ""))


def _begin_at_once(engine: Any) -> None:
    """Python's sqlite3 begins a transaction only before some statements: tables would be made outside it."""
    event = _sqlalchemy("sqlalchemy").event

    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    def begun(connection: Any) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("changes") else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


def _there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _sqlalchemy(part: str) -> Any:
    try:
        return importlib.import_module(part)
    except ImportError:
        raise NotAvailable("url needs sqlalchemy", hints=["pip install 'octo-step-engine[data]'"]) from None
