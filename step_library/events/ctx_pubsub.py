"""A queue of named events in ctx: one step publishes, another takes the events of a name away and acts on them."""

from __future__ import annotations

from typing import Any

from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from octo.store.values import copied
from step_library.kit.events.choosing import EVENTS, MATCHES, TAKEN, chooser, name_of, older_than, whole
from step_library.kit.events.publishing import publish, subscribe
from step_library.kit.records.taking import take
from step_library.kit.values.ctx_values import Ctx, plain_list

__all__ = ["run", "subscribe"]


@scriptlet(
    params=[
        Param("event", "str | null", None, "name of the event to publish"),
        Param("payload", "any", {}, "what there is to tell of it"),
        Param("source", "str", "unknown", "the step or module that it comes from"),
        Param("subscribe", "str | null", None, "name of the events to take away, instead of event; * is all"),
        Param("match", "str", "exact", "how the name in subscribe is meant: as it is, as the beginning of names, or "
              "as a shell pattern such as job_*", choices=MATCHES),
        Param("where", "dict", {}, "take only events whose payload has these values"),
        Param("from_source", "str | null", None, "take only events of this source"),
        Param("fn", "callable | null", None, "take only events for which this function of the event is true"),
        Param("limit", "int | null", None, "take at most so many, the oldest first"),
        Param("peek", "bool", False, "give the events but leave them where they are"),
        Param("max_age", "number | null", None,
              "seconds after which an event is given to nobody: it goes to ctx['event_log']"),
        Param("unless_within", "number | null", None,
              "publish nothing where the same event (name, source, payload) was published in these last seconds"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Publish an event: `{"published": name}`; or take events: `{"events": [...]}`, oldest first.

    Events stand in `ctx["events"]` as `{event, timestamp, source, payload}`; what is taken goes to
    `ctx["event_log"]`, and one of several threads or parallel steps has it. It stays taken when the step that took it
    fails later: where that is not wanted peek, do the work, then take. Without event and subscribe nothing is done:
    `{"status": "noop"}`. With unless_within the name is null where nothing was published.

    Raises ParamError (a ValueError) for both at once and for an empty name, ShapeError where `ctx["events"]` is no
    list, NotAvailable for taking in a worker process. `subscribe` in this module is for callbacks.
    """
    event, wanted, max_age = params["event"], params["subscribe"], params["max_age"]
    if event is not None and wanted is not None:
        raise ParamError("event publishes and subscribe takes: give one of them")
    if event is not None:
        done = publish(ctx, event, params["source"], params["payload"], max_age=max_age,
                       unless_within=params["unless_within"])
        return {"published": event if done else None}
    if wanted is None:
        return {"status": "noop"}
    return {"events": _taken(ctx, name_of(wanted, "subscribe"), params)}


def _taken(ctx: Ctx, wanted: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    limit, max_age = params["limit"], params["max_age"]
    for name, value in (("limit", limit), ("max_age", max_age)):
        if value is not None and value <= 0:
            raise ParamError(f"{name}: it is more than 0, not {value:g}")
    is_meant = chooser(wanted, params["match"], source=params["from_source"], where=params["where"], fn=params["fn"])
    if max_age is not None:
        take(ctx, EVENTS, older_than(max_age), to=TAKEN, changed=whole)
    if params["peek"]:
        there = plain_list(ctx, EVENTS) if EVENTS in ctx else []
        return [whole(copied(entry)) for entry in there if is_meant(entry)][:limit]
    return [whole(entry) for entry in take(ctx, EVENTS, is_meant, to=TAKEN, changed=whole, limit=limit)]


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_pubsub")
