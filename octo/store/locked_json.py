"""`LockedJson`: any JSON file, safe to use from many threads and programs at once, with its history."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from octo.errors import InstanceBusy, StoreError, UsageError

from . import author, journal, recovery
from .changes import MISSING
from .compaction import compact, compact_if_due
from .history import Change, Record, changes
from .layout import PARAMETER_FILE, Layout, any_layout, instance_layout
from .open_file import DURABILITIES
from .recovery import Recovery
from .state_file import StateFile, state_file
from .transaction import Transaction
from .values import copied, spell

Store = TypeVar("Store", bound="LockedJson")


class LockedJson:
    """A JSON file, its lock and its journal.

    >>> with LockedJson("limits.json", default={}) as limits:
    ...     limits.set("voltage", "max", 5.25)
    ...     limits.increment("runs")

    What a method returns is a copy. Each change is in the file when the call returns, and survives a
    kill of the process; with `durability="step"` also a power loss (default "group": on the disk within
    5 ms; "os": when the system does it). `timeout` is in seconds, of waiting for the lock (default 60).
    Places are given as keys and positions, outermost first. Errors: StoreError and its kinds for what the disk does,
    InvalidValue for a value that is no JSON, KeyError for a place where nothing is.
    """

    def __init__(self, path: str | Path, *, default: Any = MISSING, lock_path: str | Path | None = None,
                 who: str | None = None, durability: str | None = None, timeout: float | None = None) -> None:
        if durability not in (*DURABILITIES, None):
            raise UsageError(f"durability is one of {', '.join(DURABILITIES)}, not {durability!r}")
        if Path(path).name == PARAMETER_FILE:  # of an instance, however it is opened
            layout = instance_layout(Path(path).absolute().parent, default)
        else:
            layout = any_layout(path, lock_path, default)
        self._open(layout, who)
        self._state_file.durability = durability or self._state_file.durability
        self._state_file.lock.timeout = timeout or self._state_file.lock.timeout

    def _open(self, layout: Layout, who: str | None) -> None:
        self.path = layout.view
        self.who = who
        self._file: StateFile | None = state_file(layout)
        self._file.housekeeping = compact_if_due

    @property
    def _state_file(self) -> StateFile:
        if self._file is None:
            raise StoreError(f"{self.path} was closed")
        return self._file

    # -- reading ---------------------------------------------------------------------------------

    def read(self, *, without: Collection[str] = ()) -> Any:
        """The whole state; `without` the groups named, which may be large."""
        if not without:
            return self._state_file.read()
        with self._state_file.reading() as tree:
            return {key: copied(value) for key, value in tree.root.items() if key not in without}

    def get(self, *path: Any, default: Any = MISSING) -> Any:
        """The value at `path`; `default` where there is none, else KeyError."""
        value = self._state_file.read(path)
        if value is MISSING:
            if default is MISSING:
                raise KeyError(spell(path))
            return default
        return value

    @property
    def seq(self) -> int:
        """The number of the newest change."""
        with self._state_file.reading():
            return self._state_file.journal.seq

    # -- changing --------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, who: str | None = None) -> Iterator[Transaction]:
        """Several changes as one, by one author; an exception in the body drops them all."""
        step = author.running_step()
        name = who or (step.who if step else None) or self.who or author.program()
        with self._state_file.transaction(name, self._author(step)) as tx:
            yield tx

    def _author(self, step: author.Author | None) -> author.Author | None:
        """A call's number counts in its own instance's journal only."""
        if step is None or step.instance is None:
            return None
        home = str(self._state_file.layout.journal.parent)
        return step if str(step.instance) == home or os.path.realpath(step.instance) == home else None

    def set(self, *path_and_value: Any) -> None:
        """`set("limits", "max", 5)`: put the last argument at the place that the others name."""
        *path, value = path_and_value
        with self.transaction() as tx:
            tx.set(tuple(path), value)

    def delete(self, *path: Any) -> None:
        """Remove a key or a list's item; KeyError where there is none."""
        with self.transaction() as tx:
            tx.delete(path)

    def increment(self, *path: Any, by: Any = 1) -> Any:
        """Add to a number (a missing one starts at 0) and return it; InvalidValue where it is no number."""
        with self.transaction() as tx:
            return tx.increment(path, by)

    def append(self, *path: Any, values: list[Any]) -> None:
        """Add to the end of a list (a missing one is made)."""
        with self.transaction() as tx:
            tx.append(path, values)

    def splice(self, *path: Any, start: int, count: int, items: list[Any]) -> None:
        """Replace `count` items of a list from `start` by `items`."""
        with self.transaction() as tx:
            tx.splice(path, start, count, items)

    # -- history ---------------------------------------------------------------------------------

    def history(self, path: tuple[Any, ...] = (), *, limit: int | None = None, since: int = 0) -> list[Change]:
        """The changes at (or below, or around) `path`, oldest first: the newest `limit` with numbers above `since`."""
        if not self._state_file.layout.journal.exists():
            return []
        with self._state_file.reading():
            found = list(changes(self._state_file.journal.lines(), tuple(path), since))
        return found if limit is None else found[max(0, len(found) - limit) :]

    def at(self, seq: int) -> Any:
        """The state as it was at number `seq`; UsageError where the history does not reach."""
        with self._state_file.reading():
            self._check_number(seq)
            return copied(self._state_file.state_at(seq))

    def _check_number(self, seq: int) -> None:
        oldest, newest = self._state_file.journal.base_seq, self._state_file.journal.seq
        if not oldest <= seq <= newest:
            raise UsageError(f"{self.path}: there is no change {seq}; the oldest is {oldest}, the newest {newest}")

    def watch(self, *, since: int | None = None, poll: float = 0.1,
              stop: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """The records as they come, read without a lock; ends when `stop()` is true and nothing is left."""
        if since is None:
            since = self.seq
        for line in journal.follow(self._state_file.layout.journal, seq=since, poll=poll, stop=stop):
            yield Record.from_line(line)

    def fork(self, new_path: str | Path, seq: int | None = None) -> LockedJson:
        """A new file that begins with this one's state and history up to `seq` (default: all)."""
        new = LockedJson(new_path)
        self._copy_to(new._state_file.layout, seq)
        return new

    def _copy_to(self, layout: Layout, seq: int | None) -> None:
        file = self._state_file
        with file.locked():
            seq = file.journal.seq if seq is None else seq
            self._check_number(seq)
            if layout.view.exists() or layout.journal.exists():
                raise UsageError(f"{layout.view} is there already; a fork needs a new place")
            here = file.journal.end, file.journal.seq
            base = file.journal.base()
            layout.view.parent.mkdir(parents=True, exist_ok=True)
            raw = journal.raw_lines(file.journal.fd, file.journal.base_size(), file.journal.size())
            file.journal.end, file.journal.seq = here
            kept = (line + b"\n" for _, line in raw if 0 < (journal.number_of(line) or 0) <= seq)
            calls = {int(call): visit for call, visit in base["open"].items()}
            state_file(layout).plant(base["state"], file.journal.base_seq, kept, (calls, base["fenced"]))

    # -- care ------------------------------------------------------------------------------------

    def compact(self) -> None:
        """Drop the history beyond the limit now, whether or not it pays."""
        compact(self._state_file)

    def recover(self) -> Recovery:
        """Bring back the newest whole state after damage; says what was found, lost and kept."""
        if self._state_file.layout.is_running():
            raise InstanceBusy(f"{self.path} is in use by a running engine")
        return recovery.recover(self._state_file)

    def flush(self) -> None:
        """See that the file shows the newest state and is on the disk."""
        self._state_file.flush()

    def close(self) -> None:
        """Finish what is under way. The object cannot be used afterwards; others on the same file can."""
        if self._file is not None:
            if self._file.durability != "os":
                self._file.sync()
            self._file = None

    def __enter__(self: Store) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

