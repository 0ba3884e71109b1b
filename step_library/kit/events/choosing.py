"""Which events of a list are meant: by name, source, time, payload; whatever wrote them there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from octo.param import ParamError
from step_library.kit.records.records import as_moment, moment

EVENTS, TAKEN = "events", "event_log"
"""The keys of ctx: events that wait, and those that were taken."""

MATCHES = ("exact", "prefix", "pattern")
"""How a name may be meant: as it is, as the beginning of one, as a shell pattern such as job_*."""


def name_of(given: Any, what: str) -> str:
    """The name of an event; ParamError where it is no text or empty."""
    if not isinstance(given, str) or not given:
        raise ParamError(f"{what}: the name of an event is text and not empty, not {given!r}")
    return given


def fits(name: Any, wanted: str, match: str = "exact") -> bool:
    """Whether an event's name is meant by `wanted`; `*` alone means all."""
    if wanted == "*":
        return True
    if not isinstance(name, str):
        return False
    if match == "prefix":
        return name.startswith(wanted)
    return fnmatchcase(name, wanted) if match == "pattern" else name == wanted


def chooser(wanted: str = "*", match: str = "exact", *, source: str | None = None, since: Any = None,
            until: Any = None, where: Mapping[str, Any] | None = None,
            fn: Callable[[dict[str, Any]], Any] | None = None) -> Callable[[Any], bool]:
    """A function that says whether an entry is an event that is meant.

    `since` and `until` are times (both count), `where` values that its payload has, `fn` a function of the event.
    """
    begin, end = None if since is None else as_moment(since), None if until is None else as_moment(until)

    def is_meant(entry: Any) -> bool:
        if not isinstance(entry, Mapping) or not fits(entry.get("event"), wanted, match):
            return False
        if source is not None and entry.get("source") != source:
            return False
        if begin is not None or end is not None:
            when = moment(entry)
            if when is None or (begin is not None and when < begin) or (end is not None and when > end):
                return False
        payload = entry.get("payload")
        if where and not (isinstance(payload, Mapping)
                          and all(key in payload and payload[key] == value for key, value in where.items())):
            return False
        return fn is None or bool(fn(whole(entry)))

    return is_meant


def older_than(seconds: float) -> Callable[[Any], bool]:
    """A function that says whether an entry was written longer ago than that."""
    limit = time.time() - seconds

    def is_older(entry: Any) -> bool:
        when = moment(entry) if isinstance(entry, Mapping) else None
        return when is not None and when < limit

    return is_older


def whole(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An event with all four fields, also where who wrote it left some out."""
    return {"event": None, "timestamp": None, "source": None, "payload": {}, **entry}
