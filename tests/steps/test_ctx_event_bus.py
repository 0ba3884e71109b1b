"""ctx_event_bus: events in ctx."""

from __future__ import annotations

import json
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import InvalidValue, MissingKey, OctoError, ShapeError
from octo.param import MissingParam
from step_library.events import ctx_event_bus, ctx_pubsub
from step_library.kit.events import publishing
from step_library.kit.events.memory_broker import memory
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def plain(ctx: Any, key: str = "events") -> Any:
    return ctx.plain(key) if isinstance(ctx, Context) else ctx[key]


def test_the_documented_example(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """ctx_event_bus, example 0: what stands in ctx["events"], with the time of the document."""
    monkeypatch.setattr(publishing.records, "now_text", lambda: "2025-08-26 01:40:00")
    said = {"event": "test_completed", "source": "step_results", "payload": {"result": "pass"}}
    assert ctx_event_bus.run(ctx, said) == {"event": "test_completed", "count": 1}
    assert plain(ctx) == [{"timestamp": "2025-08-26 01:40:00", "event": "test_completed", "source": "step_results",
                           "payload": {"result": "pass"}}]
    ctx["events"] = []  # the documented way to clear them
    assert ctx_event_bus.run(ctx, said)["count"] == 1


def test_the_documented_readers(ctx: Any) -> None:
    """Examples 4 to 6: a dashboard that polls by plain Python, the audit's line, clearing by an empty list."""
    ctx_event_bus.run(ctx, {"event": "tick"})
    ctx_event_bus.run(ctx, {"event": "anomaly_detected", "source": "analyze", "payload": {"row": 15}})
    found = [e for e in ctx.get("events", []) if e["event"] == "anomaly_detected"]
    assert len(found) == 1 and found[0]["payload"] == {"row": 15}
    lines = [f"{e['timestamp']} - [{e['source']}]: {e['event']} {e['payload']}" for e in ctx["events"]]
    assert [line[19:] for line in lines] == [" - [None]: tick {}", " - [analyze]: anomaly_detected {'row': 15}"]
    ctx["events"] = []
    assert ctx_event_bus.get_events(ctx) == [] == plain(ctx)
    assert ctx_event_bus.run(ctx, {"event": "tick"})["count"] == 1


def test_all_four_fields_are_always_there(ctx: Any) -> None:
    ctx_event_bus.run(ctx, {"event": "a"})
    ctx_event_bus.run(ctx, {"event": "b", "payload": (1, 2)})
    first, second = plain(ctx)
    assert (first["source"], first["payload"], second["payload"]) == (None, {}, [1, 2])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", first["timestamp"])
    line = "{timestamp} - [{source}]: {event} {payload}".format(**first)  # as the documented audit prints it
    assert line.endswith("- [None]: a {}")


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({}, {}, MissingParam, "'event' is missing"),
    ({}, {"event": ""}, ValueError, "not empty"),
    ({}, {"event": None}, ValueError, "'event' is to be str"),
    ({}, {"event": "a", "payload": {"x": {1}}}, InvalidValue, "payload/x"),
    ({}, {"event": "a", "payload": {"x": float("nan")}}, InvalidValue, "payload/x"),
    ({}, {"event": "a", "payload": {"x": 1}, "required": ["x", "y"]}, MissingKey, "y missing; it has x"),
    ({}, {"event": "a", "payload": [1], "required": ["x"]}, ShapeError, "a list of 1"),
    ({}, {"event": "a", "keep": 0}, ValueError, "keep: at least one"),
    ({}, {"event": "a", "max_age": 0}, ValueError, "max_age: it is more than 0"),
    ({"events": {}}, {"event": "a"}, ShapeError, "ctx['events'] is to be a list"),
    ({}, {"event": "a", "origin": "x"}, OctoError, "unknown parameter 'origin'"),
])
@pytest.mark.parametrize("kind", [dict, Context])
def test_mistakes(kind: Any, there: dict[str, Any], params: dict[str, Any], error: type[Exception],
                  words: str) -> None:
    ctx = kind(there)
    with pytest.raises(error) as raised:
        ctx_event_bus.run(ctx, params)
    assert words in str(raised.value) and isinstance(raised.value, OctoError)
    assert dict(ctx) == there


def test_what_is_kept(ctx: Any) -> None:
    old = {"event": "old", "timestamp": "2020-01-01 00:00:00", "source": None, "payload": {}}
    ctx["events"] = [old, {"event": "odd"}, "odd"]
    ctx_event_bus.run(ctx, {"event": "a", "max_age": 60})
    assert plain(ctx, "event_log") == [old] and plain(ctx)[:2] == [{"event": "odd"}, "odd"]
    for number in range(5):
        assert ctx_event_bus.run(ctx, {"event": "b", "payload": number, "keep": 2})["count"] <= 3
    assert [each["payload"] for each in plain(ctx)] == [3, 4]


def test_the_same_within_a_while_is_one(ctx: Any) -> None:
    said = {"event": "hot", "source": "probe", "payload": {"row": (1,)}, "unless_within": 3600}
    assert [ctx_event_bus.run(ctx, said)["count"] for _ in range(3)] == [1, 1, 1]
    assert ctx_event_bus.run(ctx, {**said, "source": "other"})["count"] == 2
    ctx["events"], ctx["event_log"] = [], plain(ctx)  # it counts as published where it was taken, too
    assert ctx_event_bus.run(ctx, said)["count"] == 0


def test_two_at_once_with_the_same_publish_one(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody publishes between one's look and its event."""
    looked, is_there = threading.Barrier(2), publishing._is_there

    def look(*said: Any) -> bool:
        found = is_there(*said)
        with suppress(threading.BrokenBarrierError):
            looked.wait(0.3)  # for the other one, who must not come
        return found

    monkeypatch.setattr(publishing, "_is_there", look)
    threads = [threading.Thread(target=ctx_event_bus.run, args=(ctx, {"event": "hot", "unless_within": 3600}))
               for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(plain(ctx)) == 1


def test_in_a_worker_process_nothing_is_half_published(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("steps: [{name: a, function: ctx_event_bus, executor: process, params: {event: a, max_age: 60}}]")
    assert project.run().error["type"] == "NotAvailable" and "events" not in project.ctx


def test_reading(ctx: Any) -> None:
    assert ctx_event_bus.get_events(ctx) == [] and ctx_event_bus.summary(ctx)["last"] is None
    ctx["events"] = [
        {"event": "job_a", "timestamp": "2025-01-01 10:00:00", "source": "x", "payload": {"n": 1}},
        {"event": "job_b", "timestamp": "2025-01-01 11:00:00", "source": "y", "payload": {"n": 2}},
        {"event": "tick"},
    ]

    def names(**which: Any) -> list[Any]:
        return [each["event"] for each in ctx_event_bus.get_events(ctx, **which)]

    assert names() == names(event_type="*") == ["job_a", "job_b", "tick"]
    assert names(event_type="job_b") == names(source="y") == names(since="2025-01-01 10:30:00") == ["job_b"]
    assert names(until="2025-01-01 10:30:00") == names(where={"n": 1}) == ["job_a"]
    assert names(event_type="job_", match="prefix") == names(event_type="job_?", match="pattern") == ["job_a", "job_b"]
    assert names(fn=lambda event: event["payload"] == {}) == ["tick"]
    assert ctx_event_bus.summary(ctx) == {
        "count": 3, "by_event": {"job_a": 1, "job_b": 1, "tick": 1}, "sources": ["x", "y"],
        "last": {"event": "tick", "timestamp": None, "source": None, "payload": {}}}


def test_what_is_read_and_told_are_copies(ctx: Any) -> None:
    heard: list[Any] = []
    ends = [ctx_event_bus.subscribe("a", lambda event: heard.append(event["payload"].pop("n", None))) for _ in range(2)]
    ctx_event_bus.run(ctx, {"event": "a", "payload": {"n": [1]}})
    for end in ends:
        end()
    ctx_event_bus.get_events(ctx)[0]["payload"]["n"].append(2)
    ctx_event_bus.summary(ctx)["last"]["payload"]["n"].append(3)
    ctx_pubsub.run(ctx, {"subscribe": "a", "peek": True})["events"][0]["payload"]["n"].append(4)
    assert heard == [[1], [1]] and plain(ctx)[0]["payload"] == {"n": [1]}


def test_who_subscribed_is_told(ctx: Any, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []

    def bad(event: dict[str, Any]) -> None:
        raise ValueError("no luck")

    ends = [ctx_event_bus.subscribe("job_*", heard.append, "pattern"), ctx_event_bus.subscribe("job_a", bad)]
    try:
        for name in ("job_a", "other"):
            ctx_event_bus.run(ctx, {"event": name})
    finally:
        for end in ends:
            end()
    ctx_event_bus.run(ctx, {"event": "job_a"})
    assert heard == plain(ctx)[:1] and "a subscriber of the event job_a failed" in caplog.text
    with pytest.raises(ValueError, match="match: it is one of exact"):
        ctx_event_bus.subscribe("a", bad, "glob")


def test_a_copy_in_a_file(ctx: Any, tmp_path: Path) -> None:
    file = tmp_path / "Logs" / "events.jsonl"
    for name in ("ä", "b"):
        ctx_event_bus.run(ctx, {"event": name, "file": str(file)})
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == plain(ctx)


def test_it_is_heard_by_other_programs_too(ctx: Any) -> None:
    with memory("forwarded").listening(["hot"]) as next_one:
        ctx_event_bus.run(ctx, {"event": "hot", "payload": [1], "broker_url": "memory://forwarded"})
        message = next_one(0)
    assert message is not None and message[0] == "hot"
    sent = json.loads(message[1])
    assert (sent["event"], sent["source"], sent["payload"]) == ("hot", None, [1])
    with pytest.raises(ValueError, match="is no broker"):
        ctx_event_bus.run(ctx, {"event": "hot", "broker_url": "mqtt://x"})
    assert len(plain(ctx)) == 2


def test_threads_lose_none(ctx: Any) -> None:
    def work(name: str) -> None:
        for number in range(50):
            ctx_event_bus.run(ctx, {"event": name, "payload": number, "keep": 150})

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = plain(ctx)
    assert len(found) == 150
    for name in "abcd":
        numbers = [each["payload"] for each in found if each["event"] == name]
        assert numbers == list(range(50 - len(numbers), 50))  # the newest of each, all of them


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.steps import ctx_event_bus
        def gate(ctx):
            ctx_event_bus.run(ctx, {"event": "tried", "source": "gate"})
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: emit_data_ready, idx: 2, type: python, module: scriptlets.python.steps.ctx_event_bus, function: run,
             params: {event: data_ready, source: preprocess, payload: {filename: data/clean.csv}}}
          - {name: gate, idx: 3, module: BODY, function: gate}
          - {name: log_threshold_event, idx: 5, type: python, module: scriptlets.python.steps.ctx_event_bus,
             function: run, params: {event: threshold_crossed, source: metric_eval,
                                     payload: {metric: temperature, value: 101.5, threshold: 100}}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    events = project.ctx["events"]
    # the event of the attempt that failed tells of it, so it stays
    assert [each["event"] for each in events] == ["data_ready", "tried", "tried", "threshold_crossed"]
    assert events[0]["payload"] == {"filename": "data/clean.csv"} and events[3]["payload"]["value"] == 101.5
    assert project.steps["emit_data_ready"]["result"] == {"event": "data_ready", "count": 1}


def test_a_wrong_parameter_is_found_before_the_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("steps:\n  - {name: a, function: ctx_event_bus, params: {evnt: x}}\n")
    assert "unknown parameter 'evnt'; did you mean event?" in str(project.refused())
