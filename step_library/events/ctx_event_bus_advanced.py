"""Tells other programs of an event, or waits for theirs: by a Redis server, or within this process."""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import Any

from octo.engine.retry import Retry
from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.events import exchanging
from step_library.kit.events.broker import is_pattern
from step_library.kit.events.brokers import broker_of
from step_library.kit.events.choosing import EVENTS, name_of
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.jobs import start_job

STEP = "ctx_event_bus_advanced"
DEFAULT_URL = "redis://localhost:6379/0"


@scriptlet(
    params=[
        Param("action", "str", help="tell of an event, or wait for one", choices=("publish", "subscribe")),
        Param("event", "str | list[str]", help="name of the event, or several; to subscribe also a shell pattern such "
              "as job_*"),
        Param("payload", "any", {}, "what there is to tell of it"),
        Param("broker_url", "str | null", None, "redis://, rediss://, unix:// or memory://NAME (this process only); "
              "${NAME} in it, and REDIS_URL where it is left out, come from the environment; else "
              "redis://localhost:6379/0"),
        Param("mode", "str", "pubsub", "who gets it: all who listen at that moment, or, from a queue that keeps it, "
              "the first who takes it", choices=("pubsub", "queue")),
        Param("timeout", "number", 60.0, "seconds to wait for it", ("timeout_sec",)),
        Param("on_timeout", "str", "fail", "whether it is a failure that none came in time, or the result says so",
              choices=("fail", "return")),
        Param("count", "int", 1, "how many events to wait for"),
        Param("background", "bool", False, "listen from now on, but wait in the background, as a job in ctx['jobs']"),
        Param("wait_for_subscriber", "bool", False, "publish again until somebody got it, for at most timeout seconds"),
        Param("source", "str | null", None, "the step or module that it comes from; sent in an envelope"),
        Param("envelope", "bool", False, "send {event, timestamp, source, payload} instead of the payload alone"),
        Param("to_events", "bool", False, "add what came to ctx['events'] too"),
        Param("log_file", "path | null", None, "add what was sent or came, a line of JSON each, to this file"),
        Param("connect_timeout", "number", 10.0, "seconds to reach the broker"),
        Param("retries", "int", 0, "how often a broker that fails is tried again"),
        Param("retry_delay", "number", 1.0, "seconds before the first new try; doubled for each next one"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Publish: `{"published": event, "receivers": n}`. Subscribe: the payload in `ctx["event_NAME"]`, by its own name.

    What came is also the result: `{"received": n, "events": [{event, timestamp, source, payload}], "timed_out"}`.
    Pub/sub keeps nothing: who is to hear an event listens first, with background for instance. A queue keeps it
    (receivers is then how many wait there), and gets back what was taken where this step fails.

    Raises ShapeError (a ValueError and a TypeError) for a payload that is no JSON, ParamError (a ValueError) for
    another action or broker; BrokerFailed (a ConnectionError; by Redis also one of redis), EventTimeout (a
    TimeoutError) and Stopped (the run was asked to stop), which are noted in `ctx["errors"]` too.
    """
    given = params["event"]
    names = [name_of(name, "event") for name in ([given] if isinstance(given, str) else given)]
    _check(params, names)
    for key in ("errors", *([EVENTS] if params["to_events"] else [])):
        records.check_list(ctx, key)
    url = params["broker_url"] or os.environ.get("REDIS_URL") or DEFAULT_URL
    if params["action"] == "publish":
        text = exchanging.written(params["payload"])
        try:
            return {"published": given, "receivers": sum(_publish(ctx, params, url, name, text) for name in names)}
        except exchanging.FAILURES as error:
            records.error(ctx, STEP, error)
            raise
    return _subscribe(ctx, params, url, names)


def _check(params: dict[str, Any], names: list[str]) -> None:
    if not names:
        raise ParamError("event: it is the name of an event, or several")
    if (params["action"] == "publish" or params["mode"] == "queue") and any(map(is_pattern, names)):
        raise ParamError(f"event: {', '.join(names)}: only to subscribe, and not to a queue, it may be a pattern")
    for name, least in (("count", 1), ("timeout", 0), ("retries", 0), ("retry_delay", 0), ("connect_timeout", 0.001)):
        if params[name] < least:
            raise ParamError(f"{name}: it is {least:g} or more, not {params[name]:g}")


def _retry(params: dict[str, Any]) -> Retry:
    return Retry(params["retries"] + 1, params["retry_delay"], 2.0, 60.0)


def _publish(ctx: Ctx, params: dict[str, Any], url: str, name: str, text: str) -> int:
    """How many got it, or wait in the queue."""
    event = exchanging.envelope(name, params["source"], json.loads(text))
    if params["source"] is not None or params["envelope"]:
        text = exchanging.written(event)
    give_up = time.monotonic() + params["timeout"]
    stops = exchanging.stops_of(ctx)

    def send() -> int:
        broker = broker_of(url, params["connect_timeout"])
        try:
            return broker.push(name, text) if params["mode"] == "queue" else broker.publish(name, text)
        finally:
            broker.close()

    while not (count := exchanging.trying(send, _retry(params), stops)) and params["wait_for_subscriber"]:
        if time.monotonic() >= give_up:
            raise exchanging.EventTimeout(f"nobody listened to the event {name} within {params['timeout']:g} s")
        if exchanging.pause(exchanging.LOOK / 4, stops):
            raise exchanging.Stopped(f"it is to stop, and nobody has listened to the event {name}")
    _log(params, event)
    return count


def _subscribe(ctx: Ctx, params: dict[str, Any], url: str, names: list[str]) -> dict[str, Any]:
    try:
        # Now: what is published once this step has begun is heard, also in the background.
        listener = exchanging.Listener(lambda: broker_of(url, params["connect_timeout"]), names,
                                       params["mode"] == "queue", _retry(params), exchanging.stops_of(ctx))
    except exchanging.FAILURES as error:
        records.error(ctx, STEP, error)
        raise

    def wait(ctx: Ctx) -> dict[str, Any]:
        try:
            return _wait(ctx, params, names, listener)
        except exchanging.FAILURES as error:
            records.error(ctx, STEP, error)
            raise
        finally:
            listener.close()

    if not params["background"]:
        return wait(ctx)
    job_id = f"event-{secrets.token_hex(4)}"
    try:
        start_job(ctx, job_id, wait, {})
    except BaseException:
        listener.close()
        raise
    return {"waiting": names, "job_id": job_id}


def _wait(ctx: Ctx, params: dict[str, Any], names: list[str], listener: exchanging.Listener) -> dict[str, Any]:
    stops = exchanging.stops_of(ctx)
    messages = listener.wait_for(params["count"], params["timeout"], stops)
    is_short = len(messages) < params["count"]
    stopped = is_short and any(stop.is_set() for stop in stops)
    try:
        short = f"{len(messages)} of {params['count']} events came; waited for {', '.join(names)}"
        if stopped and not exchanging.is_left_alone(ctx):
            raise exchanging.Stopped(f"it is to stop, and {short}")
        if is_short and not stopped and params["on_timeout"] == "fail":
            raise exchanging.EventTimeout(f"within {params['timeout']:g} s {short}")
        events = [exchanging.as_event(message) for message in messages]
        _keep(ctx, params, events)
    except BaseException:
        if params["mode"] == "queue":
            listener.give_back(messages)
        raise
    return {"received": len(events), "events": events, "timed_out": is_short and not stopped}


def _keep(ctx: Ctx, params: dict[str, Any], events: list[dict[str, Any]]) -> None:
    for event in events:
        _log(params, event)  # first: it is what may fail
    for event in events:
        ctx[f"event_{event['event']}"] = event["payload"]
        if params["to_events"]:
            records.append(ctx, EVENTS, event)


def _log(params: dict[str, Any], event: dict[str, Any]) -> None:
    if params["log_file"]:
        from step_library.kit.files.record_files import add_text

        add_text(params["log_file"], json.dumps(event, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_event_bus_advanced")
