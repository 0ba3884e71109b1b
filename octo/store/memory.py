"""State that lives in memory only, with the same changes, transactions and history as a file's."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from octo.errors import AttemptEnded

from . import critical
from .author import Author
from .changes import Tree, Watcher
from .listeners import Listener, tell
from .transaction import Transaction
from .undo import Mark, take_back
from .values import Path, copied, dumps, loads

Kept = tuple[dict[str, Any], bytes]
"""A line of the history: its head, and its ops as JSON (decoded when somebody reads them)."""


def _none() -> Iterable[dict[str, Any]]:
    return ()


class MemoryState:
    """A state in memory, for any number of threads.

    What `root` holds is never changed: a container is copied, one level deep, before its first change.
    So a state of any size costs nothing until it is changed. `before()` gives the history older than
    this object's own, which ends with number `seq`; of its own it keeps the newest `limit` records.
    """

    def __init__(self, root: dict[str, Any], *, before: Callable[[], Iterable[dict[str, Any]]] = _none,
                 seq: int = 0, limit: int | None = None) -> None:
        self.watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()
        self.listeners: list[Listener] = []
        self.fenced: set[int] = set()
        self.is_copy = False
        """In a worker process: what is changed here is laid on the run's state when the body is over."""
        self.seq = seq
        self._before = before
        self._kept: deque[Kept] = deque(maxlen=limit)
        self._tree = Tree(root, self.watchers)
        self._tree.freeze()
        self._mutex = threading.RLock()
        self._active: Transaction | None = None

    # -- reading ---------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Tree]:
        """The newest state, held still."""
        with self._mutex:
            yield self._tree

    def look(self, path: Path, use: Callable[[Any], Any]) -> Any:
        """`use` the value at `path` itself (MISSING where there is none)."""
        with self._mutex:
            return use(self._tree.find(path))

    def read(self, path: Path = ()) -> Any:
        """A copy of the value at `path`, or MISSING."""
        with self._mutex:
            return copied(self._tree.find(path))

    def lines(self) -> Iterator[dict[str, Any]]:
        """The history, oldest first, as lines of a journal."""
        with self._mutex:
            kept = list(self._kept)
        yield from self._before()
        for head, ops in kept:
            yield {**head, "ops": loads(ops)}

    # -- changing --------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, who: str, author: Author | None = None, *, later: bool = False) -> Iterator[Transaction]:
        """Changes that become one record; an exception in the body drops them all.

        AttemptEnded where `author`'s call may write no more. `later` says nothing here.
        """
        with self._mutex:
            if self._active is not None:
                yield self._active  # a transaction inside another is a part of it
                return
            if author is not None and author.call in self.fenced:
                raise AttemptEnded(f"{author.who}: this call has failed or timed out; nothing was changed")
            level = critical.level()
            critical.enter()
            try:
                self._tree.displaced.clear()
                tx = self._active = Transaction(self._tree)
                try:
                    yield tx
                except BaseException:
                    take_back(tx, Mark())
                    raise
                when = self._commit(tx, who, author) if tx.ops or tx.flags else 0.0
                seq = self.seq
            finally:
                self._active = None
                critical.back_to(level)
        if self.listeners and tx.ops:
            tell(self.listeners, seq, tx.ops, who, author, when)

    def _commit(self, tx: Transaction, who: str, author: Author | None) -> float:
        head: dict[str, Any] = {"seq": self.seq + 1, "time": time.time(), "who": who}
        if author is not None and author.visit:
            head["visit"] = author.visit
        if author is not None and author.call:
            head["call"] = author.call
        self._kept.append(({**head, **tx.flags}, dumps(tx.ops)))
        self.seq += 1
        fence = tx.flags.get("fence")
        self.fenced.update(fence if isinstance(fence, list) else [] if fence is None else [fence])
        return float(head["time"])

    # -- copies ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """A copy, by pickle or deepcopy, has the values and the history; who watched or listened has the original."""
        with self._mutex:
            return {"root": copied(self._tree.root), "kept": [*map(_encoded, self._before()), *self._kept],
                    "seq": self.seq, "fenced": set(self.fenced), "limit": self._kept.maxlen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        MemoryState.__init__(self, state["root"], seq=state["seq"], limit=state["limit"])
        self._kept.extend(state["kept"])
        self.fenced = state["fenced"]


def _encoded(line: dict[str, Any]) -> Kept:
    return {key: value for key, value in line.items() if key != "ops"}, dumps(line["ops"])
