"""The values that a key of ctx had, with their times, kept in ctx on request and read again."""

from __future__ import annotations

import copy
import time
from collections.abc import MutableSequence
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError
from octo.param import MissingParam
from octo.scriptlet import Param, scriptlet
from step_library.kit.values.ctx_copies import one_change, table
from step_library.kit.values.ctx_values import Ctx, described, plain

KEY = "_history"


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx whose values are kept"),
        Param("action", "str", "get", "append a value, get the entries, prune to the newest maxlen, restore the value "
              "of an entry, or clear", choices=("append", "get", "prune", "restore", "clear")),
        Param("value", "any", None, "append: the new value, which becomes ctx[key] too"),
        Param("from_key", "str | null", None, "append: take the value from this key of ctx, which may be key itself"),
        Param("maxlen", "int | null", None, "append, prune: keep the newest this many entries",
              required_when={"action": ["prune"]}),
        Param("index", "int", -1, "restore: which entry; 0 is the oldest, -1 the newest"),
        Param("start_time", "number | null", None, "get: entries from this time on, in seconds since 1970"),
        Param("end_time", "number | null", None, "get: entries up to this time"),
        Param("last", "int | null", None, "get: the newest this many"),
        Param("format", "str", "entries", "get: a list of entries, or {timestamps, values} as charts take them",
              choices=("entries", "columns")),
        Param("who", "str | null", None, "append: kept in the entry"),
        Param("tag", "str | null", None, "append: kept in the entry; get: only entries with this tag"),
        Param("comment", "str | null", None, "append: kept in the entry"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> Any:
    """Append a value to ctx['_history'][key] and set ctx[key] to it, or get the entries, oldest first.

    append returns {history: entries}, get the bare list of {timestamp: seconds since 1970, value} ([] for a key that
    is not tracked), prune {pruned: number}, restore {restored: key, index, value} (the entries stay), clear {cleared:
    number}. Raises KeyError for append without a value (for null use from_key) and for restore of an entry that is
    not there. Independent of the history that a Context keeps of each change by itself.
    """
    key, action = params["key"], params["action"]
    if not key:
        raise ShapeError("key: a key of ctx is not empty")
    for name in ("maxlen", "last"):
        if params[name] is not None and params[name] < 0:
            raise UsageError(f"{name} is to be 0 or more, not {params[name]}")
    with one_change(ctx):
        entries = _entries(ctx, key)
        if action == "get":
            return _got(entries, params)
        if action == "append":
            return _append(ctx, entries, params)
        if action == "restore":
            index = params["index"]
            if not -len(entries) <= index < len(entries):
                raise MissingKey(f"index: the history of {key!r} has {len(entries)} entries, no {index}")
            ctx[key] = copy.deepcopy(entries[index]["value"])
            return {"restored": key, "index": index % len(entries), "value": copy.deepcopy(entries[index]["value"])}
        if action == "prune":
            return {"pruned": _prune(ctx, key, params["maxlen"])}
        if entries:
            del ctx[KEY][key]
        return {"cleared": len(entries)}


def _append(ctx: Ctx, entries: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    key, value = params["key"], params["value"]
    if params["from_key"] is not None:
        if value is not None:
            raise UsageError("value and from_key are given: one of them is the new value")
        value = plain(ctx, params["from_key"])
    elif value is None:
        raise MissingParam("parameter 'value' is missing: the new value (or from_key, for a value of ctx or null)")
    more = {name: params[name] for name in ("who", "tag", "comment") if params[name] is not None}
    entry = {"timestamp": time.time(), "value": copy.deepcopy(value), **more}
    if params["from_key"] != key:
        ctx[key] = copy.deepcopy(value)  # a Context refuses here what is no JSON
    ctx.setdefault(KEY, {}).setdefault(key, []).append(entry)
    if params["maxlen"] is not None:
        _prune(ctx, key, params["maxlen"])
    return {"history": copy.deepcopy(_entries(ctx, key))}


def _prune(ctx: Ctx, key: str, maxlen: int) -> int:
    there = table(ctx, KEY).get(key, [])
    surplus = max(0, len(there) - maxlen)
    if surplus:
        del there[:surplus]
    return surplus


def _got(entries: list[dict[str, Any]], params: dict[str, Any]) -> Any:
    start, end, tag = params["start_time"], params["end_time"], params["tag"]
    found = [entry for entry in entries if (start is None or entry["timestamp"] >= start)
             and (end is None or entry["timestamp"] <= end) and (tag is None or entry.get("tag") == tag)]
    if params["last"] is not None:
        found = found[max(0, len(found) - params["last"]):]
    if params["format"] == "columns":
        return {"timestamps": [entry["timestamp"] for entry in found],
                "values": [copy.deepcopy(entry["value"]) for entry in found]}
    return copy.deepcopy(found)


def _entries(ctx: Ctx, key: str) -> list[dict[str, Any]]:
    """The entries of a key as plain data."""
    there: Any = table(ctx, KEY).get(key, [])
    if not isinstance(there, MutableSequence):
        raise ShapeError(f"ctx['{KEY}'][{key!r}] is to be a list of entries, not {described(there)}")
    found: Any = there.plain() if hasattr(there, "plain") else there
    for number, entry in enumerate(found):
        if not isinstance(entry, dict) or not {"timestamp", "value"} <= entry.keys():
            raise ShapeError(f"ctx['{KEY}'][{key!r}]: entry {number} is no {{timestamp, value}}, but "
                             f"{described(entry)}")
    return list(found)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_history")
