"""What steps tell of themselves in ctx["log"], ["events"], ["errors"], ["trace"] and the like: their one writer.

On a `Context` an entry stays when the step that wrote it fails and is undone; on a dict appends are safe in threads.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from octo.context import Context
from octo.errors import InvalidValue, ShapeError, UsageError
from octo.executors.outcome import describe
from octo.report.entries import as_moment, moment, sums
from octo.store import MISSING, checked
from step_library.kit.values.ctx_values import Ctx, described, plain

__all__ = ["append", "as_moment", "check_list", "chosen", "error", "event", "grave", "log", "moment", "now_text",
           "safe", "sums", "trace"]

TIME = "%Y-%m-%d %H:%M:%S"
LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "SUCCESS": 25, "WARN": 30, "WARNING": 30, "ERROR": 40, "CRITICAL": 50,
          "FATAL": 50}
"""How grave the known levels are; a level of another name counts as INFO."""

LOCK = threading.Lock()
"""Held by whoever changes a list of entries in a plain dict."""


def now_text(at: float | None = None) -> str:
    """A time (now), local, as entries hold it: 2025-01-31 23:59:59."""
    return time.strftime(TIME, time.localtime(at))


def check_list(ctx: Ctx, key: str, keep: int | None = None) -> None:
    """ShapeError where `ctx[key]` is there and no list; UsageError for a `keep` that keeps nothing."""
    if keep is not None and keep < 1:
        raise UsageError(f"keep: at least one entry is kept, not {keep}")
    there = ctx.get(key, MISSING)  # one look: another thread may make it meanwhile
    if there is not MISSING and not isinstance(there, list):
        raise ShapeError(f"ctx[{key!r}] is to be a list of entries, not {described(plain(ctx, key))}")


def append(ctx: Ctx, key: str, entry: Mapping[str, Any], keep: int | None = None) -> int:
    """Add an entry to the list at `key`, made where there is none; how many there are now.

    InvalidValue names the place of what is no JSON. With `keep` only so many stay, the newest.
    """
    new = checked(dict(entry), (key,))
    check_list(ctx, key, keep)
    if isinstance(ctx, Context):
        ctx.record(key, new, keep=keep)
        return len(ctx[key])
    with LOCK:
        entries = ctx.setdefault(key, [])
        entries.append(new)
        if keep is not None:
            del entries[:-keep]
        return len(entries)


def log(ctx: Ctx, msg: Any, level: str = "INFO", *, keep: int | None = None, **more: Any) -> int:
    """Add `{timestamp, level, msg, …}` to `ctx["log"]`; how many there are now."""
    return append(ctx, "log", {"timestamp": now_text(), "level": level, "msg": msg, **more}, keep)


def event(ctx: Ctx, name: str, source: str | None = None, payload: Any = None) -> int:
    """Add `{event, timestamp, source, payload}` to `ctx["events"]`; how many there are now."""
    return append(ctx, "events", {"event": name, "timestamp": now_text(), "source": source, "payload": payload})


def error(ctx: Ctx, step: str, raised: BaseException, *, keep: int | None = None, **more: Any) -> int:
    """Add `{step, timestamp, error, traceback, …}` to `ctx["errors"]`; how many there are now."""
    said = describe(raised)
    entry = {"step": step, "timestamp": now_text(), "error": said["message"], "traceback": said["traceback"], **more}
    return append(ctx, "errors", entry, keep)


def trace(ctx: Ctx, step: str, info: str, *, keep: int | None = None, **more: Any) -> int:
    """Add `{timestamp: epoch seconds, step, info, kind: "event", …}` to `ctx["trace"]`; how many there are now."""
    entry = {"timestamp": time.time(), "step": step, "info": info, "kind": "event", **more}
    return append(ctx, "trace", entry, keep)


def safe(value: Any) -> Any:
    """A plain copy as ctx can hold it: what is no JSON becomes its text, NaN null. For entries that must be written."""
    try:
        return checked(value)
    except InvalidValue:
        pass
    if isinstance(value, Mapping):
        return {str(key): safe(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [safe(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return repr(value).encode(errors="backslashreplace").decode()


# --- reading: entries of several writers stand in one list, so a field may be missing


def grave(level: Any) -> int:
    """How grave a level is, for comparing."""
    return LEVELS.get(str(level).upper(), LEVELS["INFO"])


def chosen(entries: Iterable[Any], *, at_least: str | None = None, since: Any = None, keyword: str | None = None,
           **fields: Any) -> list[dict[str, Any]]:
    """Copies of those entries that fit: from a level up, not older than, with a text in them, of these fields."""
    fits = chooser(at_least=at_least, since=since, keyword=keyword, **fields)
    return [dict(entry) for entry in entries if fits(entry)]


def chooser(*, at_least: str | None = None, since: Any = None, keyword: str | None = None,
            **fields: Any) -> Callable[[Any], bool]:
    """Whether an entry fits; what `chosen` asks."""
    begin = None if since is None else as_moment(since)

    def fits(entry: Any) -> bool:
        if not isinstance(entry, Mapping):
            return False
        if at_least is not None and grave(entry.get("level", "INFO")) < grave(at_least):
            return False
        if begin is not None:
            written = moment(entry)
            if written is None or written < begin:
                return False
        if keyword is not None and not any(keyword.casefold() in str(value).casefold() for value in entry.values()):
            return False
        return all(name in entry and entry[name] == value for name, value in fields.items())

    return fits
