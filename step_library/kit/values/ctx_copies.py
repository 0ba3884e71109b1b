"""Copies of ctx kept in ctx: checkpoints and rollback points, how they are taken and put back.

A copy never holds other copies: the keys with checkpoints and rollback points are left out of it, and stay as they
are when it is put back. `snapshots` has the files.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octo.context import Context
from octo.ctx_merge import merged
from octo.errors import MissingKey, ShapeError, nearest
from octo.store import checked, diff
from step_library.kit.files.snapshots import in_json
from step_library.kit.values.ctx_values import Ctx, described

CHECKPOINTS, CHECKPOINT_META, POINTS = "_checkpoints", "_checkpoint_meta", "_rollback_points"
LOGS = ("restore_history", "rollback_history")
"""What was put back, when: part of the data, but what stands there is not undone by putting a copy back."""
_dicts = threading.RLock()


def stores(ctx: Mapping[str, Any]) -> set[str]:
    """The keys of ctx that hold copies of it."""
    return {CHECKPOINTS, CHECKPOINT_META, POINTS, *table(ctx, POINTS)}


def table(ctx: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The dict at `key`, empty where there is none; ShapeError where it is none."""
    found = ctx.get(key, {})
    if not isinstance(found, Mapping):
        found = ctx.plain(key) if isinstance(ctx, Context) else found
        raise ShapeError(f"ctx[{key!r}] is to be a dict, not {described(found)}")
    return found


def noted(ctx: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    """The dict that stands at `name` in the one at `key`: what is known of a copy. Empty where there is none."""
    found = table(ctx, key).get(name)
    return found if isinstance(found, Mapping) else {}


def copied_ctx(ctx: Ctx, *, without: Iterable[str] = (), keys: Sequence[str] | None = None) -> dict[str, Any]:
    """A deep copy of ctx, or of some of its keys, without the copies that are kept in it."""
    with one_change(ctx):
        left_out = {*stores(ctx), *without}
        for key in keys or ():
            if key not in ctx:
                raise MissingKey(f"keys: ctx has no key {key!r}{nearest(key, ctx)}")
        names = [key for key in (ctx if keys is None else keys) if key not in left_out]
        if isinstance(ctx, Context):
            return {key: ctx.plain(key) for key in names}
        return copy.deepcopy({key: ctx[key] for key in names})


def plan(
    ctx: Ctx, data: Mapping[str, Any], *, where: str, keys: Sequence[str] | None = None, exclude: Sequence[str] = (),
    merge: str | None = None, keep: Iterable[str] = ()
) -> dict[str, Any]:
    """What ctx will hold once `data` is put back.

    `keys`: only these change; `exclude`: these do not; `merge` ("first" or "last", who wins): nothing goes. `keep`:
    further keys that hold copies.
    """
    now = ctx.plain() if isinstance(ctx, Context) else dict(ctx)
    for key in keys or ():
        if key not in data:
            raise MissingKey(f"{where} has no key {key!r}{nearest(key, data)}")
    kept = {*stores(ctx), *keep, *LOGS} & now.keys()
    new = {key: copy.deepcopy(value) for key, value in data.items()
           if key not in exclude and key not in kept and (keys is None or key in keys)}
    if merge:
        return merged(now, checked(new), merge)[0]
    stays = now if keys is not None else {key: now[key] for key in now if key in kept or key in exclude}
    return {**stays, **new} if keys is not None else {**new, **stays}


def put_back(ctx: Ctx, new: Mapping[str, Any]) -> None:
    """Make ctx what `plan` found, as one change on a `Context`."""
    if isinstance(ctx, Context):
        ctx.restore(new)
    else:
        whole = dict(new)
        ctx.clear()
        ctx.update(whole)


def one_change(ctx: Ctx) -> Any:
    """For `with`: no other thread's step changes ctx in between; on a `Context` it is one change, or none."""
    return ctx.transaction() if isinstance(ctx, Context) else _dicts


def changes(before: Ctx, after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What leads from ctx to `after`: {op, path, value, old}, without the copies that are kept in ctx."""
    hidden = stores(before)
    now = before.plain() if isinstance(before, Context) else before
    old, new = ({key: value for key, value in each.items() if key not in hidden} for each in (now, after))
    return [{**op, "path": list(op["path"])} for op in diff(in_json(old, "ctx"), in_json(new, "the snapshot"))]
