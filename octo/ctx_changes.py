"""The changes of one key of ctx: as entries of its history, and told to those who subscribed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from octo.store import MISSING, Change
from octo.store.history import Record

from .access import Access


def of_key(change: Change, key: str) -> Change | None:
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


def history_entry(change: Change, key: str) -> dict[str, Any]:
    """A change as the documents show it: `{timestamp, value, who}`; inside a value also `op` and `path`."""
    value = None if change.value is MISSING else change.value
    entry = {"timestamp": change.time, "value": value, "who": change.who}
    if len(change.path) > 2 or change.op not in ("set", "delete"):
        entry |= {"op": change.op, "path": [key, *change.path[2:]]}
    return entry


class Subscription:
    """Ends when it is called (or at the end of a `with`)."""

    def __init__(self, access: Access, key: str, name: str, callback: Callable[[Change], object]) -> None:
        self._access, self._key, self._name, self._callback = access, key, name, callback
        access.file.listeners.append(self._told)

    def _told(self, record: Record) -> None:
        if self._access.closed:
            self.cancel()
            return
        for change in record.changes:
            if change.path[:2] in ((), ("ctx",), ("ctx", self._key)):
                mine = of_key(change, self._key)
                if mine is not None:
                    value, old = (None if part is MISSING else part for part in (mine.value, mine.old))
                    self._callback(replace(mine, path=(self._name, *mine.path[2:]), value=value, old=old))

    def cancel(self) -> None:
        """Be told no more."""
        listeners = self._access.file.listeners
        if self._told in listeners:
            listeners.remove(self._told)

    __call__ = cancel

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *error: object) -> None:
        self.cancel()
