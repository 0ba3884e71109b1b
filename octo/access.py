"""What a step's values are read and written through: the state, in whose name, until when, and what is checked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol
from weakref import WeakSet

from octo.errors import AttemptEnded, InvalidValue
from octo.store import MISSING, Author, Transaction, diff, dumps, loads, spell
from octo.store.changes import Tree, Watcher
from octo.store.listeners import Listener
from octo.store.undo import Mark, take_back

Check = Callable[[Any], Any]
"""Takes a plain copy of a value and returns the value to keep; raises where it cannot be kept."""


class State(Protocol):
    """What is needed of the state: a file's or one in memory."""

    watchers: WeakSet[Watcher]
    listeners: list[Listener]

    def transaction(
        self, who: str, author: Author | None = None, *, later: bool = False
    ) -> AbstractContextManager[Transaction]: ...

    def look(self, path: tuple[Any, ...], use: Callable[[Any], Any]) -> Any: ...

    def reading(self) -> AbstractContextManager[Tree]: ...

    def read(self, path: tuple[Any, ...] = ()) -> Any: ...

    def lines(self) -> Any: ...


class Access:
    """The way of one handle to the state.

    `tracked`: a default that was there already is noted too (for steps that run beside others).
    `later`: while an engine runs, the readable JSON may lag behind a little.
    """

    def __init__(self, file: State, author: Author, stop: threading.Event | None = None, *,
                 tracked: bool = False, later: bool = True) -> None:
        self.file = file
        self.author = author
        self.stop = stop or threading.Event()
        self.tracked = tracked
        self.later = later
        self.closed = False
        self.jobs: Any = None
        """Where the step may leave work behind: the run's job pool, where there is one."""
        self.checks: Mapping[str, Check] = {}
        """By key of ctx: what a new value must pass."""

    def beside(self, stop: threading.Event) -> Access:
        """Another way of the same author, with a stop event of its own; it can be closed by itself."""
        other = Access(self.file, self.author, stop, tracked=self.tracked, later=self.later)
        other.jobs, other.checks = self.jobs, self.checks
        return other

    @contextmanager
    def changing(self, who: str | None = None) -> Iterator[Transaction]:
        """One record, in this author's name; AttemptEnded when the call that it belongs to is over.

        Inside another it is a part of that; an exception takes back what was done in this one, also
        where it is caught there.
        """
        self._check_open()
        with self.file.transaction(who or self.author.who, self.author, later=self.later) as tx:
            self._check_open()  # it may have been over when the lock was had
            if self.tracked and tx.touches is None:
                tx.touches = []
            mark = Mark(tx)
            try:
                yield tx
                if self.checks:
                    self._check(tx, mark)
            except BaseException:
                take_back(tx, mark)
                raise

    def _check_open(self) -> None:
        if self.closed:
            raise AttemptEnded(f"{self.author.who}: this call of the step is over; nothing was changed")

    def _check(self, tx: Transaction, mark: Mark) -> None:
        touched: dict[str, None] = {}
        for op in loads(dumps(tx.ops[mark.ops :])):
            if op["path"][:1] in ([], ["ctx"]):
                touched.update(dict.fromkeys(op["path"][1:2] or self.checks))
        for key in touched:
            value = tx.get(("ctx", key), None) if key in self.checks else None
            if key in self.checks and tx.peek(("ctx", key), MISSING) is not MISSING:
                kept = passed(self.checks[key], key, value)
                if diff(value, kept):
                    tx.set(("ctx", key), kept)

    def look(self, path: tuple[Any, ...], use: Callable[[Any], Any]) -> Any:
        """`use` the value at `path` (MISSING where there is none) while it cannot change."""
        return self.file.look(path, use)


def passed(check: Check, key: str, value: Any) -> Any:
    """What `check` makes of the value; InvalidValue, with the place, where it refuses."""
    try:
        return check(value)
    except InvalidValue as error:
        raise InvalidValue(f"{spell(('ctx', key))}: {error.message}") from error
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise InvalidValue(f"{spell(('ctx', key))}: {error or type(error).__name__}") from error
