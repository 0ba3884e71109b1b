"""Taking entries out of a list in ctx, so that each is had once: by one thread, by one of several parallel steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from octo.context import Context
from octo.store.values import copied
from step_library.kit.records.records import LOCK, check_list
from step_library.kit.values.ctx_values import Ctx

Test = Callable[[Any], Any]
Change = Callable[[Any], Any]


def take(ctx: Ctx, key: str, which: Test, *, to: str | None = None, limit: int | None = None,
         changed: Change | None = None) -> list[Any]:
    """Remove the entries of the list at `key` that fit, the first `limit` of them, and give copies of them back.

    They are added to the list at `to`. What `changed` makes of an entry goes there instead, or stays in its place
    where there is no `to`. A list that is not there is made. It is one change, and a record: what a step has taken
    stays taken when the step fails.
    """
    check_list(ctx, key)
    if to is not None:
        check_list(ctx, to)
    if isinstance(ctx, Context):
        return ctx.take(key, which, to=to, limit=limit, changed=changed)
    # Not under the lock: `which` may take its time, or add an entry itself.
    wanted = {id(entry) for entry in list(ctx.get(key, ())) if which(entry)}
    with LOCK:
        entries = ctx.setdefault(key, [])
        places = [place for place, entry in enumerate(entries) if id(entry) in wanted][:limit]
        taken = [entries[place] for place in places]
        moved = taken if changed is None else [changed(entry) for entry in copied(taken)]
        entries[:] = _left(entries, places, moved if changed is not None and to is None else [])
        if to is not None and taken:
            ctx.setdefault(to, []).extend(moved)
        return list(copied(taken))


def _left(entries: list[Any], places: Sequence[int], instead: list[Any]) -> list[Any]:
    """The entries without those at `places`, or with others in their stead."""
    there = dict(zip(places, instead, strict=False))
    gone = set(places)
    return [there.get(place, entry) for place, entry in enumerate(entries) if place not in gone or place in there]
