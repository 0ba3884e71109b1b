"""One JSON file, shared by the threads of this process and by other processes: locks, transactions, durability.

There is one `StateFile` for each file in a process, shared by all handles (`LockedJson`) and threads.
The order of locks is: `_piecewise`, then `_mutex`, then the parameter lock.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from octo.errors import AttemptEnded, OctoError, StoreError

from . import critical, view
from .author import Author
from .background import syncs, views
from .changes import Tree
from .files import sync_data, sync_directory
from .journal import record
from .layout import Layout
from .listeners import tell
from .loaded_file import LoadedFile
from .touched import Touch
from .transaction import Transaction
from .values import Path as Place
from .values import copied

DEFER = 0.045
"""Seconds after which a running engine's changes are in the JSON (50 ms, less the time to write it)."""
SMALL_VIEW = 64 << 10
LATE = 0.1
"""Seconds after which a replaced JSON is looked at again: a save in place may have been on its way into it."""
GROUP_COMMIT = 0.004


class StateFile(LoadedFile):
    """The shared state of one JSON file. Every public method may be called from any thread."""

    housekeeping: Callable[[StateFile], None] | None = None
    """Called in the background now and then, after many changes (compaction)."""

    def _forget(self) -> None:
        super()._forget()
        self._mutex = threading.RLock()
        self._piecewise = threading.Lock()
        self._depth = 0
        self._looked = 0.0

    def after_fork(self) -> None:
        """Nothing of the parent's is ours: not its lock, not what its threads were doing."""
        self.journal.close()
        self.lock.forget()
        self._displaced.close()
        self._forget()
        self.deferring = False

    # -- reading ---------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Tree]:
        """The newest state, held still."""
        with self._mutex:
            before = self._depth, critical.level()
            try:
                self._enter(writing=False)
                assert self.tree is not None
                yield self.tree
            finally:
                try:
                    self._leave(before)
                finally:
                    self._leave(before)

    def look(self, path: Place, use: Callable[[Any], Any]) -> Any:
        """`use` the value at `path` itself (MISSING where there is none), as it was a millisecond ago or newer."""
        with self._mutex:
            if self.tree is not None and time.monotonic() - self._looked < 0.001:
                return use(self.tree.find(path))
            with self.reading() as tree:
                return use(tree.find(path))

    def read(self, path: Place = ()) -> Any:
        """A copy of the value at `path`, or MISSING."""
        with self.reading() as tree:
            return copied(tree.find(path))

    def lines(self) -> list[dict[str, Any]]:
        """All lines of the journal, oldest first."""
        with self.reading():
            return list(self.journal.lines())

    def touched_by(self, call: int) -> list[Touch]:
        """All that a followed call has changed, other processes in its name too; it is followed no more."""
        with self._mutex:
            if self.tree is not None and self.touched.is_sure(call) and not self.journal.has_news():
                return self.touched.take(call, self.lines_since)
            with self.reading():
                return self.touched.take(call, self.lines_since)

    # -- changing --------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, who: str, author: Author | None = None, *, later: bool = False) -> Iterator[Transaction]:
        """Changes that become one record; with `later` a running engine's JSON may lag behind.

        An exception in the body drops them all. AttemptEnded where `author`'s call may write no more.
        """
        large = False
        with self._mutex:
            if self._active is not None:
                yield self._active  # a transaction inside another is a part of it
                return
            tx: Transaction | None = None
            before = self._depth, critical.level()
            try:
                self._enter(writing=True)
                if author is not None and author.call in self.fenced:
                    raise AttemptEnded(f"{author.who}: this call has failed or timed out; nothing was changed")
                assert self.tree is not None
                tx = self._active = Transaction(self.tree)
                if author is not None and author.call in self.touched:
                    tx.touches = []
                self.tree.displaced.clear()
                yield tx
                if tx.ops or tx.flags:
                    large = self._commit(tx, who, author, later)
                    seq = self.journal.seq
                self._active = None
            finally:
                try:
                    self._drop_unfinished()
                finally:
                    try:
                        self._leave(before)
                    finally:
                        self._leave(before)
            if tx.ops or tx.flags:
                self._make_durable(later)
        if large:
            self.write_view()
        if self.listeners and tx.ops:
            tell(self.listeners, seq, tx.ops, who, author)

    def _drop_unfinished(self) -> None:
        """Memory may hold what a transaction that did not end well has not written: read it anew."""
        tx = self._active
        if tx is not None:
            if tx.is_dirty or tx.flags:
                for back in reversed(self.tree.displaced if self.tree else []):
                    back()
                self.tree = None
            self._active = None

    def _commit(self, tx: Transaction, who: str, author: Author | None, later: bool) -> bool:
        """Append the record and see to the view. True: the caller writes a large view, outside the lock."""
        self._check_shape()
        visit, call = (author.visit, author.call) if author else (0, 0)
        flags = tx.flags
        if self._views_now(later):
            self._append_with_view(tx, who, visit, call, flags)
            large = False
        else:
            line = record(self.journal.seq + 1, who, tx.ops, visit, call, **flags)
            self.journal.append(line)
            self.journal.seq += 1
            self._note_calls(self.journal.seq, visit, flags)
            self._size_guess += len(line)
            large = not later or not self.deferring
            if not large:
                self._view_is_due()
        if tx.touches is not None:
            self.touched.note(call, tx.touches, checkpoint="checkpoint" in flags)
        self._settings()
        if self.journal.seq % 256 == 0 and self.housekeeping is not None:
            views.schedule((id(self), "housekeeping"), 0.0, partial(self.housekeeping, self))
        return large

    def _views_now(self, later: bool) -> bool:
        return not (later and self.deferring) and self._size_guess < view.PIECEWISE and not self._is_unsettled()

    def _append_with_view(self, tx: Transaction, who: str, visit: int, call: int, flags: dict[str, Any]) -> None:
        """The record and the JSON that shows it.

        The JSON is prepared first: a full disk is met before anything changed.
        """
        seq = self.journal.seq + 1
        line = record(seq, who, tx.ops, visit, call, **flags)
        temporary, seen = self._prepare(seq, piecewise=False)
        self._note_calls(seq, visit, flags)  # before the view, whose line names the open calls
        if not self.layout.checkpoint:
            line += self._view_line(seen)
        try:
            self.journal.append(line)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        self.journal.seq = seq
        if not self._show(temporary, seen, announced=True):
            self._look_at_view(writing=True)

    # -- durability ------------------------------------------------------------------------------

    def _make_durable(self, later: bool) -> None:
        if self.durability == "group":
            syncs.schedule(id(self), time.monotonic() + GROUP_COMMIT, self._sync_in_background)
        elif self.durability == "step" and not later:
            self.sync()

    def sync(self) -> None:
        """Bring the journal to the disk; a failure closes this file for good."""
        if self._failed:
            raise self._failed
        fd = self.journal.fd
        if fd < 0:
            return
        try:
            sync_data(fd)
        except OSError as error:
            if fd != self.journal.fd:
                return  # compaction replaced it meanwhile, and synced the new one whole
            self._failed = StoreError(f"{self.layout.journal} could not be brought to the disk "
                                      f"({error.strerror}): nothing more is written by this process")
            raise self._failed from error

    def _sync_in_background(self) -> None:
        if not self._failed:
            self.sync()

    # -- the lock --------------------------------------------------------------------------------

    def _enter(self, *, writing: bool) -> None:
        critical.enter()
        self._depth += 1
        if self._failed:
            raise self._failed
        if self._depth == 1:
            if writing or self.journal.fd >= 0 or os.path.exists(self.layout.journal):
                self.lock.acquire()
            self._refresh(writing)
            self._looked = time.monotonic()

    def _leave(self, before: tuple[int, int]) -> None:
        """Back to where it was. Called twice, so that a signal in the first call does not leave the lock taken."""
        depth, level = before
        if self._depth > depth or critical.level() > level:
            if depth == 0:
                self._drop_unfinished()
                if self.journal.fd < 0:
                    self.tree = None  # a JSON that Octo has not written yet: reading makes no file
                self.lock.release()
            self._depth = depth
            critical.back_to(level)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock with the newest state loaded, for work on the files themselves."""
        with self._mutex:
            before = self._depth, critical.level()
            try:
                self._enter(writing=True)
                yield
            finally:
                try:
                    self._leave(before)
                finally:
                    self._leave(before)

    # -- the view, later and in pieces -----------------------------------------------------------

    def _show(self, temporary: Path, seen: view.Seen, *, announced: bool = False) -> bool:
        shown = super()._show(temporary, seen, announced=announced)
        if shown and seen.size <= view.PIECEWISE:
            views.schedule((id(self), "late"), time.monotonic() + LATE, self._look_for_late_edit)
        return shown

    def _look_for_late_edit(self) -> None:
        with self._mutex:
            if self._displaced.is_own():
                return
            with self.locked():
                edit = self._displaced.take_edit()
                if edit is not None:
                    self._merge_displaced(*edit, None)

    def _view_is_due(self) -> None:
        """A running engine's JSON may lag: 50 ms, or 20 times what writing it takes where it is large."""
        due = time.monotonic() + DEFER
        if self._size_guess > SMALL_VIEW:
            due = max(due, self._rewritten + 20 * self._rewrite_took)
        views.schedule(id(self), due, self._write_deferred)

    def _write_deferred(self) -> None:
        if self.deferring:
            self.write_view(gently=True)

    def write_view(self, *, gently: bool = False) -> None:
        """Bring the JSON up to the newest change; a large one is written beside other work, outside the lock."""
        while not self._try_to_write_view(gently):
            time.sleep(0.05)

    def _try_to_write_view(self, gently: bool) -> bool:
        """False while somebody is in the middle of saving the JSON (a run does not wait for that)."""
        with self._piecewise:
            with self.locked():
                if self.tree is None or self.view_seq >= self.journal.seq:
                    return True
                if self._is_unsettled():
                    if self.deferring:
                        self._view_is_due()
                    return self.deferring
                if self._size_guess < view.PIECEWISE:
                    self._write_view()
                    return True
                started = time.monotonic()
                tree, seq, identity = self.tree, self.journal.seq, self.journal.id
                root = tree.freeze()
                calls = dict(self.open_calls), list(self.fenced)
            temporary = None
            try:
                temporary, seen = self._prepare(seq, piecewise=True, gently=gently, root=root, identity=identity)
                with self.locked():
                    self._rewrite_took = time.monotonic() - started
                    if self.view_seq >= seq or self.journal.id != identity:
                        return True
                    now = self.open_calls, self.fenced
                    self.open_calls, self.fenced = calls
                    try:
                        shown = self._show(temporary, seen)
                    finally:
                        self.open_calls, self.fenced = now
                    if not shown:
                        self._look_at_view(writing=True)
            finally:
                with self._mutex:
                    tree.thaw()
                if temporary is not None:
                    with suppress(OSError):
                        temporary.unlink()
        return True

    def flush(self) -> None:
        """The JSON whole and on the disk: a run pauses, stops or ends, or the file is closed."""
        views.cancel(id(self))
        for _ in range(100):
            with self._mutex:
                behind = self.tree is not None and self.journal.fd >= 0 and self.view_seq < self.journal.seq
            if not behind:
                break
            self.write_view()
            if self._is_unsettled():
                time.sleep(0.05)
        self.sync()
        if self.durability != "os":
            with suppress(FileNotFoundError):
                fd = os.open(self.layout.view, os.O_RDONLY)
                try:
                    with suppress(OSError):
                        os.fsync(fd)
                finally:
                    os.close(fd)
            sync_directory(self.layout.view.parent)

    # -- care ------------------------------------------------------------------------------------

    def plant(self, state: Any, seq: int, tail: Iterator[bytes], calls: tuple[dict[int, int], list[int]]) -> None:
        """Begin a new file with a base and the lines behind it (a fork)."""
        with self._mutex:
            self.lock.acquire()
            try:
                self.journal.create(seq, state, tail, calls=calls)
                base = self.journal.base()
                self.tree = self._new_tree(base["state"])
                self._take_calls(base)
                self._absorb(self.journal.news())
                self._write_view()
            finally:
                self.lock.release()

    def close(self) -> None:
        """Give the descriptors back; what is written stays, and the next use opens the files again."""
        with suppress(OctoError, OSError):
            if self.journal.fd >= 0 and self.durability != "os":
                sync_data(self.journal.fd)
        self.journal.close()
        self.lock.close()
        self._displaced.close()
        self.tree = None

    # No __del__: while one ran, the registry could hand the dying object to another thread. Journal, lock and
    # displaced view close their own descriptors.


_files: weakref.WeakValueDictionary[str, StateFile] = weakref.WeakValueDictionary()
_files_lock = threading.Lock()


def state_file(layout: Layout) -> StateFile:
    """The one StateFile of this process for the file that `layout` names."""
    key = os.path.realpath(layout.view)
    with _files_lock:
        file = _files.get(key)
        if file is None:
            file = _files[key] = StateFile(layout)
        return file


def _after_fork() -> None:
    global _files_lock
    _files_lock = threading.Lock()
    for file in list(_files.values()):
        file.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
