"""ctx_pubsub: events that are published and taken."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError
from step_library.events import ctx_pubsub
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def plain(ctx: Any, key: str = "events") -> Any:
    return ctx.plain(key) if isinstance(ctx, Context) else ctx[key]


def put(ctx: Any, *names: str) -> None:
    for number, name in enumerate(names):
        assert ctx_pubsub.run(ctx, {"event": name, "payload": {"i": number}}) == {"published": name}


def taken(ctx: Any, wanted: str, **more: Any) -> list[str]:
    events = ctx_pubsub.run(ctx, {"subscribe": wanted, **more})["events"]
    assert all({"event", "timestamp", "source", "payload"} <= event.keys() for event in events)
    return [f"{event['event']}{event['payload'].get('i', '')}" for event in events]


def test_published_and_taken(ctx: Any) -> None:
    put(ctx, "tick", "ticket", "tick", "tock")
    first = plain(ctx)[0]
    assert first["source"] == "unknown" and first["payload"] == {"i": 0}
    assert taken(ctx, "tick") == ["tick0", "tick2"] and taken(ctx, "tick") == []
    assert [each["event"] for each in plain(ctx)] == ["ticket", "tock"]
    assert [each["event"] for each in plain(ctx, "event_log")] == ["tick", "tick"]
    assert plain(ctx, "event_log")[0] == first
    assert taken(ctx, "*") == ["ticket1", "tock3"] and plain(ctx) == []
    assert ctx_pubsub.run(ctx, {}) == {"status": "noop"}


def test_the_documented_prefix(ctx: Any) -> None:
    """ctx_pubsub, example 7: `job_` takes all job events; by the entry's quirks with match: prefix."""
    put(ctx, "job_failed", "job_done", "tick")
    assert taken(ctx, "job_") == []
    assert taken(ctx, "job_", match="prefix") == ["job_failed0", "job_done1"]
    assert [each["event"] for each in plain(ctx)] == ["tick"]


def test_which_events(ctx: Any) -> None:
    put(ctx, "job_a", "job_b", "job_c")
    ctx_pubsub.run(ctx, {"event": "job_d", "source": "here", "payload": [1]})
    assert taken(ctx, "job_*", match="pattern", where={"i": 1}, peek=True) == ["job_b1"]
    assert len(plain(ctx)) == 4 and "event_log" not in ctx
    assert taken(ctx, "*", where={"i": 9}) == taken(ctx, "job_*") == []
    assert taken(ctx, "*", fn=lambda event: event["payload"] == {"i": 2}) == ["job_c2"]
    assert ctx_pubsub.run(ctx, {"subscribe": "*", "from_source": "here"})["events"][0]["payload"] == [1]
    assert taken(ctx, "*", limit=1) == ["job_a0"] and taken(ctx, "*") == ["job_b1"]


def test_what_others_wrote(ctx: Any) -> None:
    ctx["events"] = ["odd", {"event": "a"}, {"payload": 1}, {"event": 3}]
    assert ctx_pubsub.run(ctx, {"subscribe": "a"}) == {
        "events": [{"event": "a", "timestamp": None, "source": None, "payload": {}}]}
    assert plain(ctx) == ["odd", {"payload": 1}, {"event": 3}]
    assert plain(ctx, "event_log") == [{"event": "a", "timestamp": None, "source": None, "payload": {}}]


def test_old_ones_and_bursts(ctx: Any) -> None:
    ctx["events"] = [{"event": "a", "timestamp": "2020-01-01 00:00:00", "source": "x", "payload": {}}]
    assert taken(ctx, "a", max_age=60) == [] and len(plain(ctx, "event_log")) == 1
    said = {"event": "b", "unless_within": 3600}
    assert ctx_pubsub.run(ctx, said) == {"published": "b"}
    assert ctx_pubsub.run(ctx, said) == {"published": None}
    assert taken(ctx, "b") == ["b"] and ctx_pubsub.run(ctx, said) == {"published": None}


@pytest.mark.parametrize(("there", "params", "words"), [
    ({}, {"event": "a", "subscribe": "a"}, "give one of them"),
    ({}, {"event": ""}, "event: the name of an event is text and not empty"),
    ({}, {"subscribe": ""}, "subscribe: the name"),
    ({}, {"subscribe": "a", "limit": 0}, "limit: it is more than 0"),
    ({}, {"subscribe": "a", "match": "glob"}, "one of 'exact', 'prefix', 'pattern'"),
    ({"events": "a"}, {"subscribe": "a"}, "ctx['events'] is to be a list"),
    ({"events": "a"}, {"subscribe": "a", "peek": True}, "ctx['events'] is to be a list"),
    ({"events": [{"event": "a"}], "event_log": {}}, {"subscribe": "a"}, "ctx['event_log'] is to be a list"),
])
@pytest.mark.parametrize("kind", [dict, Context])
def test_mistakes(kind: Any, there: dict[str, Any], params: dict[str, Any], words: str) -> None:
    ctx = kind(there)
    with pytest.raises(ValueError) as raised:
        ctx_pubsub.run(ctx, params)
    assert words in str(raised.value) and isinstance(raised.value, OctoError)
    assert dict(ctx) == there


def test_a_function_that_publishes_while_it_chooses(ctx: Any) -> None:
    put(ctx, "a", "b")

    def fn(event: dict[str, Any]) -> bool:
        ctx_pubsub.run(ctx, {"event": "seen", "payload": {"i": 7}})
        return event["event"] == "b"

    assert taken(ctx, "*", fn=fn) == ["b1"] and "seen7" in taken(ctx, "*", match="exact")


def test_threads_that_publish_and_take(ctx: Any) -> None:
    """Nothing is lost and nothing is had twice."""
    got: list[list[int]] = [[], [], []]
    done = threading.Event()

    def publish(base: int) -> None:
        for number in range(base, base + 60):
            ctx_pubsub.run(ctx, {"event": "tick", "payload": {"i": number}})
            ctx_pubsub.run(ctx, {"event": "other"})

    def drain(mine: list[int]) -> None:
        while True:
            last = done.is_set()  # what is published has been published before that was set
            events = ctx_pubsub.run(ctx, {"subscribe": "tick", "limit": 5})["events"]
            mine += [event["payload"]["i"] for event in events]
            if last and not events:
                return

    publishers = [threading.Thread(target=publish, args=(base,)) for base in (0, 1000)]
    drains = [threading.Thread(target=drain, args=(mine,)) for mine in got]
    for thread in [*publishers, *drains]:
        thread.start()
    for thread in publishers:
        thread.join()
    done.set()
    for thread in drains:
        thread.join()
    every = sorted(number for mine in got for number in mine)
    assert every == [*range(60), *range(1000, 1060)]
    assert sorted(each["payload"]["i"] for each in plain(ctx, "event_log")) == every
    assert len(plain(ctx)) == 120


def test_many_events(ctx: Any) -> None:
    event = {"timestamp": "2025-01-01 00:00:00", "source": None, "payload": {}}
    ctx["events"] = [{"event": f"e{number % 2}", **event} for number in range(20_000)]
    assert len(taken(ctx, "e0")) == len(plain(ctx)) == 10_000


PARALLEL = """
    steps:
      - name: publish
        module: BODY
        function: publish
      - {name: a, parallel: true, depends_on: publish, function: ctx_pubsub, params: {subscribe: tick, limit: 30}}
      - {name: bad, parallel: true, depends_on: publish, module: BODY, function: bad}
      - {name: b, parallel: true, depends_on: publish, function: ctx_pubsub, params: {subscribe: tick, limit: 30}}
      - {name: c, parallel: true, depends_on: publish, function: ctx_pubsub, params: {event: later}}
      - {name: rest, depends_on: [a, b, c, bad], function: ctx_pubsub, params: {subscribe: tick}}
"""


def test_parallel_steps_that_take_and_one_fails(tmp_path: Path) -> None:
    """No clash, nothing lost, nothing doubled, also where a step that took fails and is resumed."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.core import ctx_pubsub
        def publish(ctx):
            for i in range(100):
                ctx_pubsub.run(ctx, {"event": "tick" if i % 4 else "tock", "payload": {"i": i}})
        def bad(ctx):
            got = ctx_pubsub.run(ctx, {"subscribe": "tick", "limit": 5})["events"]
            ctx["mine"] = [each["payload"]["i"] for each in got]
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe(PARALLEL)
    assert project.run().status == "COMPLETE_ERROR"
    assert "mine" not in project.ctx and project.status()["bad"] == "FAILED"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    results = {name: project.steps[name]["result"] for name in ("a", "b", "rest")}
    got = [each["payload"]["i"] for result in results.values() for each in result["events"]] + project.ctx["mine"]
    log = [each["payload"]["i"] for each in project.ctx["event_log"]]
    assert sorted(log) == [i for i in range(100) if i % 4]  # each was taken once
    assert len(got) == len(set(got)) and set(got) < set(log)
    assert len(set(log) - set(got)) == 5  # what the attempt took that failed: the log has it
    assert [each["event"] for each in project.ctx["events"]] == ["tock"] * 25 + ["later"]


@pytest.mark.parametrize("mark", [False, True])
def test_what_is_taken_stays_taken_when_events_in_front_of_it_are_undone(tmp_path: Path, mark: bool) -> None:
    """A step that writes to the list by itself fails, after another took from it: no event is taken in its stead."""
    project = Project(tmp_path / "p")
    project.bodies("""
        import threading
        from scriptlets.python.core import ctx_event_alert, ctx_pubsub
        published, taken = threading.Event(), threading.Event()
        def publish(ctx):
            ctx["events"].append({"event": "own", "payload": "undone"})
            for name in ("a", "tick", "b", "tick", "c"):
                ctx_pubsub.run(ctx, {"event": name})
            published.set()
            assert taken.wait(30)
            raise ValueError("no luck")
        def take(ctx, mark):
            assert published.wait(30)
            if mark:
                ctx_event_alert.run(ctx, {"event": "tick", "notify_fn": str, "mark": True, "mode": "all"})
            else:
                ctx_pubsub.run(ctx, {"subscribe": "tick"})
            taken.set()
    """)
    project.recipe(f"""
        ctx: {{events: []}}
        steps:
          - {{name: publish, module: BODY, function: publish, parallel: true}}
          - {{name: take, module: BODY, function: take, parallel: true, params: {{mark: {str(mark).lower()}}}}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    found = [(each["event"], each.get("notified", "")[:2]) for each in project.ctx["events"]]
    if mark:
        assert found == [("a", ""), ("tick", "20"), ("b", ""), ("tick", "20"), ("c", "")]
    else:
        assert found == [("a", ""), ("b", ""), ("c", "")]
        assert [each["event"] for each in project.ctx["event_log"]] == ["tick", "tick"]


def test_a_worker_process_publishes_but_does_not_take(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        steps:
          - {name: a, function: ctx_pubsub, executor: process, params: {event: tick}}
          - {name: b, function: ctx_pubsub, executor: process, params: {subscribe: tick}}
    """)
    result = project.run()
    assert result.error["type"] == "NotAvailable" and "executor: thread" in result.error["message"]
    assert [each["event"] for each in project.ctx["events"]] == ["tick"]


def test_nor_does_it_take_by_another_handle(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        import threading
        from scriptlets.python.core import ctx_pubsub
        from step_library.kit.work.calls import own_handle
        def take(ctx):
            mine, _ = own_handle(ctx, threading.Event())
            ctx_pubsub.run(mine, {"subscribe": "tick"})
    """)
    project.recipe("steps: [{name: a, module: BODY, function: take, executor: process}]")
    assert project.run().error["type"] == "NotAvailable"


def test_two_programs_on_one_instance(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("steps:\n  - {name: a, function: ctx_pubsub, params: {event: tick}}\n")
    project.run()
    first, second = project.edit(), project.edit("bert")
    assert taken(first, "tick") == ["tick"] and taken(second, "tick") == []
    with pytest.raises(ShapeError):
        first["events"] = {}
        taken(second, "tick")
