"""A value that is computed once and then taken from ctx, until it expires or its arguments or code change."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from octo.context import Context
from octo.errors import InvalidValue, ShapeError, StepFailed, UsageError, nearest
from octo.scriptlet import Param, call, scriptlet
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_copies import one_change, table
from step_library.kit.values.ctx_values import Ctx, described, plain

META = "_cache_metadata"
PARTS = ("args", "code")
LOOK = 0.1
"""Seconds after which one that waits looks whether the run is to stop."""


class _Lock:
    def __init__(self) -> None:
        self.lock = threading.RLock()


_locks: weakref.WeakValueDictionary[tuple[int, str], _Lock] = weakref.WeakValueDictionary()


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx that holds the value"),
        Param("compute_fn", "callable", help="the function that computes it: module:function or a library step's name"),
        Param("args", "dict", {}, "its arguments, by name; it gets ctx too where it has such a parameter"),
        Param("expire_sec", "number | null", None, "compute again when this cache computed it so many seconds ago"),
        Param("by", "list[str]", [], "args, code (the function's own text) or both: a value for each of these, under "
              "key_<digest>, so that other arguments or a changed function are computed anew"),
        Param("salt", "str | null", None, "text that goes into the digest of by too"),
        Param("refresh", "bool", False, "compute in any case"),
        Param("max_entries", "int | null", None, "keep this many values that this cache has computed; the oldest go"),
        Param("stats", "bool", False, "count hits in ctx['_cache_metadata'], which makes a hit a change of ctx"),
        Param("wait", "number", 60.0, "seconds to wait for another thread that computes the same key, before computing "
              "all the same"),
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"{params['key']} was {'there' if result['cached'] else 'computed'}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Return {cached: true, value} if ctx has the key, whoever set it; else compute it: {cached: false, value}.

    With by the result has the key that was used too. What compute_fn raises is passed on, and nothing is kept. A
    Context keeps JSON only: give the rows of a DataFrame. ctx['_cache_metadata'][key] is {computed: seconds since 1970,
    seconds: how long that took, function, base: the key without digest, hits}, of values computed here; only these
    expire or are dropped.
    """
    key, function = _key(params), params["compute_fn"]
    if params["max_entries"] is not None and params["max_entries"] < 1:
        raise UsageError(f"max_entries is to be 1 or more, not {params['max_entries']}")
    table(ctx, META)
    more = {"key": key} if key != params["key"] else {}
    with _alone(ctx, key, params["wait"]):
        if not params["refresh"] and key in ctx and not _expired(ctx, key, params["expire_sec"]):
            if params["stats"]:
                _count(ctx, key)
            return {"cached": True, "value": plain(ctx, key), **more}
        started = time.time()
        value = call(function, ctx, params["args"])
        entry = {"computed": time.time(), "seconds": time.time() - started, "function": _name(function),
                 "base": params["key"], "hits": 0}
        with one_change(ctx):
            try:
                ctx[key] = value
            except InvalidValue as error:
                raise ShapeError(f"compute_fn {_name(function)} returned {described(value)}, which ctx cannot hold: "
                                 f"{error.message}") from None
            ctx.setdefault(META, {})[key] = entry
            if params["max_entries"] is not None:
                _evict(ctx, params["max_entries"], key)
        return {"cached": False, "value": plain(ctx, key), **more}


def _key(params: Mapping[str, Any]) -> str:
    if not params["key"]:
        raise ShapeError("key: a key of ctx is not empty")
    parts: dict[str, Any] = {}
    for part in params["by"]:
        if part not in PARTS:
            raise ShapeError(f"by: there is no {part!r}, there are args and code{nearest(part, PARTS)}")
        parts[part] = params["args"] if part == "args" else _code(params["compute_fn"])
    if params["salt"] is not None:
        parts["salt"] = params["salt"]
    if not parts:
        return str(params["key"])
    if "args" in parts:
        parts["function"] = _name(params["compute_fn"])
    try:
        text = json.dumps(parts, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"args: a key by args needs arguments that are JSON: {error}") from None
    return f"{params['key']}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _code(function: Callable[..., Any]) -> str:
    """The text of a function; where that is not to be had, its name."""
    while isinstance(function, partial):
        function = function.func
    try:
        return inspect.getsource(inspect.unwrap(function))
    except (OSError, TypeError):
        return _name(function)


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__name__)}"


def _entry(ctx: Ctx, key: str) -> Mapping[str, Any]:
    found = table(ctx, META).get(key)
    return found if isinstance(found, Mapping) else {}


def _expired(ctx: Ctx, key: str, seconds: float | None) -> bool:
    computed = _entry(ctx, key).get("computed")
    return seconds is not None and computed is not None and time.time() - computed >= seconds


def _count(ctx: Ctx, key: str) -> None:
    with one_change(ctx):
        entry = ctx.setdefault(META, {}).setdefault(key, {})
        entry["hits"] = entry.get("hits", 0) + 1


def _evict(ctx: Ctx, most: int, new: str) -> None:
    mine = [key for key in table(ctx, META) if "computed" in _entry(ctx, key) and key != new]
    mine.sort(key=lambda key: _entry(ctx, key)["computed"])
    for key in mine[: max(0, len(mine) + 1 - most)]:
        del ctx[META][key]
        ctx.pop(key, None)


@contextmanager
def _alone(ctx: Ctx, key: str, wait: float) -> Iterator[None]:
    """Two threads do not compute one key at once."""
    mine = _locks.setdefault((0 if isinstance(ctx, Context) else id(ctx), key), _Lock())
    stop = ctx.stop if isinstance(ctx, Context) else threading.Event()
    give_up = time.monotonic() + wait
    while not (got := mine.lock.acquire(timeout=max(0.0, min(LOOK, give_up - time.monotonic())))):
        if stop.is_set():
            raise StepFailed(f"ctx[{key!r}] was being computed by another step when the run was to stop")
        if time.monotonic() >= give_up:
            break
    try:
        yield
    finally:
        if got:
            mine.lock.release()


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_cache")
