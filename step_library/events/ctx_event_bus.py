"""Notes an event in ctx["events"], with time, source and payload, for steps, dashboards and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from octo.errors import MissingKey, ShapeError
from octo.scriptlet import Param, scriptlet
from octo.store.values import copied
from step_library.kit.events.choosing import EVENTS, chooser, whole
from step_library.kit.events.publishing import publish, subscribe
from step_library.kit.values.ctx_values import Ctx, described, plain_list

__all__ = ["get_events", "run", "subscribe", "summary"]


@scriptlet(
    params=[
        Param("event", "str", help="name of the event, such as data_ready"),
        Param("source", "str | null", None, "the step or module that it comes from"),
        Param("payload", "any", {}, "what there is to tell of it"),
        Param("required", "list[str] | null", None, "keys that the payload has to have"),
        Param("keep", "int | null", None, "keep only the newest events, so many"),
        Param("max_age", "number | null", None, "seconds after which events go to ctx['event_log']"),
        Param("unless_within", "number | null", None,
              "do nothing where the same event (name, source, payload) was noted in these last seconds"),
        Param("file", "path | null", None, "also add it, as a line of JSON, to the end of this file"),
        Param("broker_url", "str | null", None, "also send it, with all four fields, to this broker, where "
              "ctx_event_bus_advanced of other programs hears it"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Append `{event, timestamp, source, payload}` to `ctx["events"]`; how many there are then.

    The time is local, `YYYY-MM-DD HH:MM:SS`. What `subscribe(event, callback)` of this module was told is called.
    `get_events` and `summary` read the events. Raises MissingParam (a KeyError) without event, ParamError (a
    ValueError) for an empty one, MissingKey for a payload without a required key, InvalidValue for one that is no
    JSON, ShapeError where `ctx["events"]` is no list; FileFailed or BrokerFailed where it could not be written or sent,
    but it is in ctx then.
    """
    payload = params["payload"]
    _check(payload, params["required"] or [])
    event = publish(ctx, params["event"], params["source"], payload, keep=params["keep"],
                    max_age=params["max_age"], unless_within=params["unless_within"])
    if event is not None and params["file"]:
        import json

        from step_library.kit.files.record_files import add_text

        add_text(params["file"], json.dumps(event, ensure_ascii=False) + "\n")
    if event is not None and params["broker_url"]:
        from step_library.events import ctx_event_bus_advanced

        ctx_event_bus_advanced.run(ctx, {"action": "publish", "event": event["event"], "payload": event["payload"],
                                         "source": event["source"], "envelope": True,
                                         "broker_url": params["broker_url"]})
    return {"event": params["event"], "count": len(ctx.get(EVENTS, []))}


def get_events(ctx: Ctx, event_type: str | None = None, since: Any = None, source: str | None = None,
               match: str = "exact", **more: Any) -> list[dict[str, Any]]:
    """Copies of the events of one name, from a time on, of one source; all where nothing is said.

    `match`: exact, prefix or pattern; more: until, where (values of the payload), fn (a function of the event).
    """
    is_meant = chooser(event_type or "*", match, since=since, source=source, **more)
    return [whole(entry) for entry in _entries(ctx) if is_meant(entry)]


def summary(ctx: Ctx) -> dict[str, Any]:
    """What there was: `{count, by_event: {name: count}, sources, last: the newest event or None}`."""
    events = [whole(entry) for entry in _entries(ctx) if isinstance(entry, Mapping)]
    sources = sorted({event["source"] for event in events if isinstance(event["source"], str)})
    return {"count": len(events), "by_event": dict(Counter(str(event["event"]) for event in events)),
            "sources": sources, "last": events[-1] if events else None}


def _entries(ctx: Ctx) -> list[Any]:
    return list(copied(plain_list(ctx, EVENTS))) if EVENTS in ctx else []


def _check(payload: Any, required: list[str]) -> None:
    if not required:
        return
    if not isinstance(payload, Mapping):
        raise ShapeError(f"payload: it is to have {', '.join(required)}, but it is {described(payload)}")
    missing = [name for name in required if name not in payload]
    if missing:
        raise MissingKey(f"payload: {', '.join(missing)} missing; it has {', '.join(map(str, payload)) or 'nothing'}")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_event_bus")
