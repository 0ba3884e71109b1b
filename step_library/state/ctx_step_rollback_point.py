"""A point in a recipe to which ctx can be rolled back: a copy of it under a key of ctx."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError, nearest
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.snapshots import encoded, load, write, write_new
from step_library.kit.records.records import append, check_list, now_text
from step_library.kit.values.ctx_copies import POINTS, changes, copied_ctx, one_change, plan, put_back, table
from step_library.kit.values.ctx_values import Ctx, described, plain

Entries = list[dict[str, Any]]


@scriptlet(
    params=[
        Param("action", "str", help="mark a point, restore it, preview what a restore would change, list all points, "
              "or forget one", choices=("mark", "restore", "preview", "list", "forget")),
        Param("out", "str", "rollback_point", "mark: key of ctx for the copy"),
        Param("in", "str", "rollback_point", "restore, preview, forget: key of ctx with the copy"),
        Param("keys", "list[str] | null", None, "mark or restore only these keys; all others stay on restore"),
        Param("keep", "bool", True, "after a restore the point is still there, for another restore"),
        Param("history", "bool", False, "mark: the key holds a list of copies, and this one is added to it"),
        Param("maxlen", "int | null", None, "with history: keep the newest this many"),
        Param("idx", "int", -1, "restore, preview: which copy of such a list; -1 is the newest"),
        Param("reason", "str", "", "note that list shows"),
        Param("persist", "bool", False, "mark: write it to Data/rollback_point_<seconds since 1970>.json too"),
        Param("file", "str | null", None, "mark: write it to this file too; restore, preview: read it from there"),
        Param("record", "bool", False, "tell of a restore in ctx['restore_history'], which it does not undo"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Keep a deep copy of ctx in `ctx[out]` (mark), or replace ctx by the copy in `ctx[in]` (restore).

    Returns {rollback_marked: key} and {rollback_restored: key}; preview {would_change}, list {rollback_points}, forget
    {rollback_forgotten}. A copy does not hold other points or checkpoints, and a restore lets all of them stay.
    Of a copy with keys only these are put back. Raises KeyError for a point that is not there, UsageError where `out`
    holds something else than a point. Times and reasons are in ctx['_rollback_points'].
    """
    action = params["action"]
    table(ctx, POINTS)
    if params["maxlen"] is not None and params["maxlen"] < 1:
        raise UsageError(f"maxlen is to be 1 or more, not {params['maxlen']}")
    with one_change(ctx):
        if action == "list":
            return {"rollback_points": [{"key": key, "idx": idx, **entry} for key in table(ctx, POINTS)
                                        for idx, entry in enumerate(_entries(ctx, key))]}
        if action == "mark":
            return _mark(ctx, params)
        key = params["in"]
        if action == "forget":
            _copies(ctx, key)
            _forget(ctx, key)
            return {"rollback_forgotten": key}
        return _restore(ctx, params)


@contextmanager
def rollback_on_error(ctx: Ctx, keys: Sequence[str] | None = None) -> Iterator[None]:
    """For `with`: what raises inside leaves ctx, or these keys of it, as it was before."""
    before = copied_ctx(ctx, keys=keys)
    try:
        yield
    except BaseException:
        with one_change(ctx):
            put_back(ctx, plan(ctx, before, where="the point", keys=keys))
        raise


def _mark(ctx: Ctx, params: Mapping[str, Any]) -> dict[str, Any]:
    key, result = params["out"], {"rollback_marked": params["out"]}
    if not key:
        raise ShapeError("out: a key of ctx is not empty")
    is_kept = params["history"] and isinstance(ctx.get(key), Mapping)  # made by other means, the first copy
    if key in ctx and key not in table(ctx, POINTS) and not is_kept:
        raise UsageError(f"ctx[{key!r}] is no rollback point, but {described(plain(ctx, key))}: give another out")
    copy = copied_ctx(ctx, without=[key], keys=params["keys"])
    entry = {"timestamp": now_text(), "reason": params["reason"], "keys": params["keys"]}
    value: Any = copy
    entries = [entry]
    if params["history"]:
        old = _copies(ctx, key) if key in ctx else []
        value, entries = [*old, copy], [*_entries(ctx, key, len(old)), entry]
        if params["maxlen"]:
            value, entries = value[-params["maxlen"]:], entries[-params["maxlen"]:]
    if params["file"]:
        write(params["file"], encoded(copy, packed=params["file"].endswith(".gz")))
        result["file"] = params["file"]
    elif params["persist"]:
        result["file"] = write_new("Data", f"rollback_point_{int(time.time())}", ".json", encoded(copy))
    ctx[key] = value
    ctx.setdefault(POINTS, {})[key] = entries
    return result


def _restore(ctx: Ctx, params: Mapping[str, Any]) -> dict[str, Any]:
    key, keys, idx = params["in"], params["keys"], params["idx"]
    if params["record"]:
        check_list(ctx, "restore_history")
    if params["file"]:
        data, name = load(params["file"]), params["file"]
    else:
        copies = _copies(ctx, key)
        if not -len(copies) <= idx < len(copies):
            raise MissingKey(f"idx: the rollback point {key!r} has {len(copies)} copies, no {idx}")
        data, name = copies[idx], key
        keys = keys or _entries(ctx, key, len(copies))[idx].get("keys")
    new = plan(ctx, data, where=f"the rollback point {name!r}", keys=keys, keep=[key])
    if params["action"] == "preview":
        return {"would_change": [op for op in changes(ctx, new) if op["path"][0] != key]}
    put_back(ctx, new)
    if not params["keep"] and not params["file"]:
        _forget(ctx, key)
    if params["record"]:
        append(ctx, "restore_history", {"timestamp": now_text(), "rollback_point": name, "keys": list(data)})
    return {"rollback_restored": key, **({"file": name} if params["file"] else {})}


def _copies(ctx: Ctx, key: str) -> Entries:
    """The copies that a point consists of, oldest first."""
    if key not in ctx:
        points = table(ctx, POINTS)
        there = f"; there are {', '.join(points)}" if points else "; none is marked"
        raise MissingKey(f"there is no rollback point {key!r} in ctx{nearest(key, points) or there}")
    found = plain(ctx, key)
    copies = found if isinstance(found, list) else [found]
    if not copies or not all(isinstance(copy, Mapping) for copy in copies):
        raise ShapeError(f"ctx[{key!r}] is no rollback point, but {described(found)}")
    return list(copies)


def _entries(ctx: Ctx, key: str, count: int = 0) -> Entries:
    """What is noted of each copy of a point; nothing of those that were not marked here."""
    found = plain(ctx, POINTS).get(key, []) if table(ctx, POINTS) else []
    missing: Entries = [{"timestamp": None, "reason": "", "keys": None}] * (count - len(found))
    return [*missing, *found]


def _forget(ctx: Ctx, key: str) -> None:
    del ctx[key]
    if key in table(ctx, POINTS):
        del ctx[POINTS][key]


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_step_rollback_point")
