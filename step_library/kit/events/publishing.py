"""Putting an event into ctx["events"]: not again within a while, no more than so many, and who is told of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from octo.param import ParamError
from octo.store import checked
from octo.store.values import copied
from step_library.kit.events.choosing import EVENTS, MATCHES, TAKEN, fits, name_of, older_than, whole
from step_library.kit.records import records
from step_library.kit.records.taking import take
from step_library.kit.values.ctx_copies import one_change
from step_library.kit.values.ctx_values import Ctx, plain

log = logging.getLogger("octo.step")
Callback = Callable[[dict[str, Any]], Any]
_callbacks: list[tuple[str, str, Callback]] = []
_lock = threading.Lock()


def publish(ctx: Ctx, name: Any, source: str | None, payload: Any, *, keep: int | None = None,
            max_age: float | None = None, unless_within: float | None = None) -> dict[str, Any] | None:
    """Add an event and tell who subscribed; the event, or None where the same one was there already.

    `keep`: only so many events stay, the newest. `max_age`: events older than these seconds are taken away, to
    ctx["event_log"]. `unless_within`: not when the same (name, source, payload) was published in the last seconds.
    """
    name = name_of(name, "event")
    if keep is not None and keep < 1:
        raise ParamError(f"keep: at least one event is kept, not {keep}")
    for what, seconds in (("max_age", max_age), ("unless_within", unless_within)):
        if seconds is not None and seconds <= 0:
            raise ParamError(f"{what}: it is more than 0 seconds, not {seconds:g}")
    said = {"source": source, "payload": checked(payload, ("payload",))}
    event = {"event": name, "timestamp": records.now_text(), **said}
    with one_change(ctx):  # so that of two who publish the same at once one sees the other's
        if unless_within is not None and _is_there(ctx, {"event": name, **said}, unless_within):
            return None
        if max_age is not None:
            take(ctx, EVENTS, older_than(max_age), to=TAKEN, changed=whole)
        records.append(ctx, EVENTS, event, keep)
    _tell(event)
    return event


def _is_there(ctx: Ctx, same: Mapping[str, Any], seconds: float) -> bool:
    is_older = older_than(seconds)
    for key in (EVENTS, TAKEN):
        for entry in reversed(plain(ctx, key) if key in ctx else []):
            if isinstance(entry, Mapping) and not is_older(entry) \
                    and all(entry.get(name) == value for name, value in same.items()):
                return True
    return False


def subscribe(wanted: str, callback: Callback, match: str = "exact") -> Callable[[], None]:
    """Call `callback(event)` for each event of that name that this process publishes from now on, in any ctx.

    It is called in the publisher's thread, once the event stands in ctx; what it raises is logged. What is returned
    ends it.
    """
    if match not in MATCHES:
        raise ParamError(f"match: it is one of {', '.join(MATCHES)}, not {match!r}")
    entry = (name_of(wanted, "wanted"), match, callback)
    with _lock:
        _callbacks.append(entry)

    def unsubscribe() -> None:
        with _lock:
            _callbacks[:] = [each for each in _callbacks if each is not entry]

    return unsubscribe


def _tell(event: dict[str, Any]) -> None:
    with _lock:
        callbacks = [callback for wanted, match, callback in _callbacks if fits(event["event"], wanted, match)]
    for callback in callbacks:
        try:
            callback(copied(event))
        except Exception:
            log.warning("a subscriber of the event %s failed", event["event"], exc_info=True)
