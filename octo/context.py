"""ctx: the data that the steps of a run share, with a history of who changed what and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from octo.errors import InvalidValue
from octo.store import MISSING, Change
from octo.store.history import changes
from octo.store.values import copied

from .live import Access, LiveDict


class Group(LiveDict):
    """A group of the state as a live dict, made with its first value; also a node's params and results."""

    _watched = False  # it is found by its name, whatever is put there

    def _checked(self, value: Any) -> Any:
        return {} if value is MISSING else super()._checked(value)


class Context(Group):
    """The handle of one call of a step on ctx: a dict of JSON values whose lists and dicts are live.

    Each change is one record in the step's name, undone if the call fails or is cut off. When the call
    is over, a change through this handle raises `AttemptEnded`.
    """

    def __init__(self, access: Access) -> None:
        super().__init__(access, ("ctx",))

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def set(self, key: str, value: Any, who: str | None = None) -> None:
        """Put a value at `key`; `who` names another author than the step."""
        with self._access.changing(who) as tx:
            tx.set(("ctx", _name(key)), value)

    def delete(self, key: str) -> None:
        """Remove a key; KeyError where there is none."""
        del self[key]

    def increment(self, key: str, by: Any = 1) -> Any:
        """Add to a number (a missing one starts at 0) and return it."""
        with self._access.changing() as tx:
            return tx.increment(("ctx", _name(key)), by)

    def append(self, key: str, *values: Any) -> None:
        """Add to the end of a list (a missing one is made)."""
        self.extend(key, list(values))

    def extend(self, key: str, values: list[Any]) -> None:
        """Add several values to the end of a list, as one change."""
        with self._access.changing() as tx:
            tx.append(("ctx", _name(key)), list(values))

    def record(self, key: str, entry: Any, id: str | None = None) -> None:
        """Keep what happened: append to the list at `key`, or with `id` set it in the dict there.

        A record stays when the call that made it is undone.
        """
        with self._access.changing() as tx:
            if id is None:
                tx.append(("ctx", _name(key)), [entry], record=True)
            else:
                tx.record(("ctx", _name(key), _name(id)), entry)

    @contextmanager
    def transaction(self) -> Iterator[Context]:
        """Several changes as one; an exception inside drops them all."""
        with self._access.changing():
            yield self

    def checkpoint(self) -> None:
        """In a long step: what was done so far stays if the rest of this call fails or is cut off."""
        with self._access.changing() as tx:
            tx.flags["checkpoint"] = self._access.author.call

    @property
    def stop(self) -> threading.Event:
        """Set when the run is asked to stop: a long body should look at it and return."""
        return self._access.stop

    def plain(self, key: str | None = None) -> Any:
        """A plain copy of the value at `key` (or of all), fast to read; KeyError where there is none."""
        path = ("ctx",) if key is None else ("ctx", key)
        value = self._access.look(path, copied)
        if value is MISSING:
            if key is None:
                return {}
            raise KeyError(key)
        return value

    def get_history(self, key: str) -> list[dict[str, Any]]:
        """The changes of `key`, oldest first: `{timestamp, value, who}`; inside a value also `op`, `path`."""
        with self._access.file.reading():
            found = list(changes(self._access.file.journal.lines(), ("ctx", key), 0))
        return [_entry(change) for change in (_inside(change, key) for change in found) if change is not None]

    def last_modified(self, key: str) -> float | None:
        """When `key` was last changed (seconds since 1970); None if it never was."""
        history = self.get_history(key)
        return history[-1]["timestamp"] if history else None


def _inside(change: Change, key: str) -> Change | None:
    """What a change of the whole group did to one key; None where it did nothing to it."""
    if len(change.path) > 1:
        return change
    ctx, before = ((group if isinstance(group, dict) else {}) for group in (change.value, change.old))
    if not change.path:
        ctx, before = ctx.get("ctx") or {}, before.get("ctx") or {}
    if key not in ctx and key not in before:
        return None
    return replace(
        change, op="set", path=("ctx", key), value=ctx.get(key, MISSING), old=before.get(key, MISSING)
    )


def _entry(change: Change) -> dict[str, Any]:
    value = None if change.value is MISSING else change.value
    entry = {"timestamp": change.time, "value": value, "who": change.who}
    if len(change.path) > 2 or change.op not in ("set", "delete"):
        entry |= {"op": change.op, "path": list(change.path[1:])}
    return entry


def _name(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise InvalidValue(f"a key of ctx is text, and not empty: {key!r}")
    return key
