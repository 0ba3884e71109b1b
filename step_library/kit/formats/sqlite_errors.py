"""What SQLite refuses, as Octo's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from octo.errors import OctoError, ShapeError


class SqlFailed(OctoError, sqlite3.DatabaseError):
    """The database refused a statement. Nothing was changed."""


class SqlNotPossible(SqlFailed, sqlite3.OperationalError):
    """It is locked, has no such table, or the statement is no SQL."""


class SqlConstraint(SqlFailed, sqlite3.IntegrityError):
    """A row breaks a rule of the table."""


@contextmanager
def telling(db: str, what: str) -> Iterator[None]:
    """Errors of SQLite as Octo's, with the database and the statement."""
    try:
        yield
    except sqlite3.Error as error:
        if isinstance(error, OctoError):
            raise
        kind = SqlConstraint if isinstance(error, sqlite3.IntegrityError) else \
            SqlNotPossible if isinstance(error, sqlite3.OperationalError) else SqlFailed
        hints = ["give a longer timeout, or end the program that holds it"] if "locked" in str(error) else []
        raise kind(f"{db}: {error} ({what})", hints=hints) from None
    except OverflowError:
        raise ShapeError(f"{db}: a whole number of more than 64 bits does not fit ({what})") from None
    except UnicodeEncodeError:
        raise ShapeError(f"{db}: text with half a character does not fit ({what})") from None
