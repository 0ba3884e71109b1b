"""Calls a function, or sends a message, where an event of a name stands in ctx["events"]."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from octo.scriptlet import Param, scriptlet
from octo.store.values import copied
from step_library.events import ctx_notify_advanced
from step_library.kit.events.alerting import Alert, by_channel, by_function
from step_library.kit.events.choosing import EVENTS, MATCHES, TAKEN, chooser, name_of, whole
from step_library.kit.events.claims import is_stale, new_claim
from step_library.kit.records import records
from step_library.kit.records.taking import take
from step_library.kit.values.ctx_values import Ctx, plain_list
from step_library.kit.work.jobs import start_job

ALERTS = "alerts"
MARK = "notified"
"""In an event: when it was alerted of; while that is going on, who is at it."""


@scriptlet(
    params=[
        Param("event", "str", help="name of the event that is looked for"),
        Param("notify_fn", "callable | null", None, "function of the payload, or of (ctx, payload), such as "
              "my_module:call_me; a step's name calls the step with the payload as its params"),
        Param("payload", "any", None, "what is handed over instead of the event's own payload",
              ("payload_oneline",)),
        Param("notify", "str | null", None, "a channel instead of notify_fn: slack, teams, webhook, email, …"),
        Param("channel", "dict", {}, "settings of that channel, such as {to: …}; see the parameters of "
              "ctx_notify_advanced"),
        Param("message", "str", "{event} from {source}: {payload}",
              "what the channel says: text with {event}, {timestamp}, {source}, {payload[key]}, {ctx[key]}"),
        Param("mode", "str", "first", "which of several events: the first, or all", choices=("first", "all")),
        Param("match", "str", "exact", "how the name is meant: as it is, as the beginning of names, or as a shell "
              "pattern such as job_*", choices=MATCHES),
        Param("source", "str | null", None, "only events of this source"),
        Param("where", "dict", {}, "only events whose payload has these values"),
        Param("since", "str | number | null", None, "only events from this time on"),
        Param("until", "str | number | null", None, "only events up to this time"),
        Param("mark", "bool", False, "each event once: it gets a field notified, the time"),
        Param("remove", "bool", False, "each event once: it goes to ctx['event_log']"),
        Param("background", "bool", False, "do it in the background, as a job in ctx['jobs']"),
        Param("record", "bool", False, "keep each alert in ctx['alerts']"),
        Param("dry_run", "bool", False, "tell nobody, but keep in ctx['alerts'] what it would be"),
    ],
    one_of=[("notify_fn", "notify")],
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Alert of the first event of that name, or of all: `{"alerted": bool, "count": n, "event": name}`.

    The function gets the event's payload, {} where it has none. What it raises is raised here too, and the event is
    then neither marked nor removed: the next call alerts of it again. With mark or remove one of several threads or
    parallel steps alerts of an event; where the program was killed meanwhile, the next call alerts of it again. With
    background the result has job_id.

    Raises MissingParam (a KeyError) without event, or without notify_fn and notify; ParamError (a ValueError) for
    both, and for a channel that there is not; ShapeError where `ctx["events"]` is no list.
    """
    alert, destination = _target(params)
    for key in (EVENTS, TAKEN, ALERTS):
        records.check_list(ctx, key)
    once, is_meant = params["mark"] or params["remove"], _chooser(params)
    claim = new_claim() if once and not params["dry_run"] else ""
    limit = 1 if params["mode"] == "first" else None
    if claim:
        found = take(ctx, EVENTS, is_meant, limit=limit, changed=lambda entry: {**entry, MARK: claim})
    else:
        there = plain_list(ctx, EVENTS) if EVENTS in ctx else []
        found = [copied(entry) for entry in there if is_meant(entry)][:limit]
    events = [whole(entry) if params["payload"] is None else {**whole(entry), "payload": params["payload"]}
              for entry in found]
    done = {"alerted": bool(events) and not params["dry_run"], "count": len(events), "event": params["event"]}
    if params["dry_run"]:
        for event in events:
            _record(ctx, event, destination, ok=None, dry_run=True)
        return done

    def work(ctx: Ctx) -> None:
        for number, event in enumerate(events):
            try:
                alert(ctx, event)
            except BaseException as error:
                _settle(ctx, claim, len(events) - number, changed=_unmarked)  # it and those behind it are free again
                if params["record"]:
                    _record(ctx, event, destination, ok=False, error=str(error))
                raise
            if params["remove"]:
                _settle(ctx, claim, 1, to=TAKEN, changed=_settled)
            else:
                _settle(ctx, claim, 1, changed=lambda entry: {**entry, MARK: records.now_text()})
            if params["record"]:
                _record(ctx, event, destination, ok=True)

    if events and params["background"]:
        job_id = f"alert-{secrets.token_hex(4)}"
        try:
            start_job(ctx, job_id, work, {})
        except BaseException:
            _settle(ctx, claim, len(events), changed=_unmarked)
            raise
        return {**done, "job_id": job_id}
    work(ctx)
    return done


def _target(params: Mapping[str, Any]) -> tuple[Alert, str]:
    """What tells of an event, and how the records call that."""
    function, channel = params["notify_fn"], params["notify"]
    if function is not None:
        return by_function(function), getattr(function, "__qualname__", repr(function))
    return by_channel(channel, params["channel"], params["message"], ctx_notify_advanced.run), channel


def _chooser(params: Mapping[str, Any]) -> Callable[[Any], bool]:
    is_meant = chooser(name_of(params["event"], "event"), params["match"], source=params["source"],
                       where=params["where"], since=params["since"], until=params["until"])
    once = params["mark"] or params["remove"]
    return lambda entry: is_meant(entry) and not (once and MARK in entry and not is_stale(entry[MARK]))


def _settle(ctx: Ctx, claim: str, count: int, **how: Any) -> None:
    """The first events that are claimed so, if any were: they are dealt with, or given back."""
    if claim:
        take(ctx, EVENTS, lambda entry: isinstance(entry, Mapping) and entry.get(MARK) == claim, limit=count, **how)


def _unmarked(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != MARK}


def _settled(entry: Mapping[str, Any]) -> dict[str, Any]:
    return whole(_unmarked(entry))


def _record(ctx: Ctx, event: Mapping[str, Any], destination: str, **came: Any) -> None:
    records.append(ctx, ALERTS, records.safe({"event": event["event"], "timestamp": records.now_text(),
                                              "source": event["source"], "payload": event["payload"],
                                              "destination": destination, **came}))


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_event_alert")
