"""ctx_event_bus_advanced: events between programs, by a real Redis server and in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from octo.executors.jobs import default_pool
from octo.param import MissingParam, ParamError
from step_library.events import ctx_event_bus_advanced
from step_library.kit.events.exchanging import EventTimeout
from tests.recipe.runs import Project
from tests.steps.local_redis import local_redis


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with local_redis() as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    """A broker that the test has for itself."""
    if request.param == "memory":
        return f"memory://{request.node.name}"
    import redis

    found = str(request.getfixturevalue("server"))
    with redis.Redis.from_url(found) as client:
        client.flushall()
    return found


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="bus")


def plain(ctx: Any, key: str) -> Any:
    return ctx.plain(key) if isinstance(ctx, Context) else ctx[key]


def publish(url: str, event: Any, payload: Any, **more: Any) -> Any:
    return ctx_event_bus_advanced.run({}, {"action": "publish", "event": event, "payload": payload, "broker_url": url,
                                           **more})


def subscribe(ctx: Any, url: str, event: Any, **more: Any) -> Any:
    return ctx_event_bus_advanced.run(ctx, {"action": "subscribe", "event": event, "broker_url": url, "timeout": 30,
                                            **more})


def listen(ctx: Any, url: str, event: Any, **more: Any) -> dict[str, Any]:
    """Listen in the background; its result once the pool is done stands in ctx["jobs"]."""
    started: dict[str, Any] = subscribe(ctx, url, event, background=True, **more)
    return started


def heard(ctx: Any, started: dict[str, Any]) -> Any:
    assert default_pool().wait(30)
    job = plain(ctx, "jobs")[started["job_id"]]
    return job["result"] if job["status"] == "done" else job["error"]


EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("test_completed", {"test_id": "abc123", "status": "success", "summary": "All OK."}),
    ("data_ready", {"source": "pipeline1", "details": "metrics generated"}),
    ("step_done", {"foo": 1}),
    ("job_complete", {"job_id": "J42", "status": "ok"}),
]


def test_the_documented_examples(ctx: Any, url: str) -> None:
    """ctx_event_bus_advanced, examples 0 to 5 (who waits is there first) and 6 (a pattern with timeout_sec)."""
    for event, payload in EXAMPLES:
        started = listen(ctx, url, event)
        assert started["waiting"] == [event]
        assert publish(url, event, payload) == {"published": event, "receivers": 1}
        result = heard(ctx, started)
        assert result["received"] == 1 and result["timed_out"] is False
        assert plain(ctx, f"event_{event}") == payload and result["events"][0]["payload"] == payload
    given = {"action": "subscribe", "event": "job_*", "timeout_sec": 30, "broker_url": url, "background": True}
    started = ctx_event_bus_advanced.run(ctx, given)
    publish(url, "other", 1)
    publish(url, "job_7", {"n": 7})
    assert heard(ctx, started)["events"][0]["event"] == "job_7" and plain(ctx, "event_job_7") == {"n": 7}
    assert "event_other" not in ctx and "event_job_*" not in ctx


def test_all_who_listen_get_it(url: str) -> None:
    """Example 7: a nested payload, and several who share one event."""
    nested = {"step": "analyze", "result": {"mean": 2.1, "stdev": 0.7}, "timestamp": "2025-08-25T12:00:00"}
    both: list[Any] = [{}, {}]
    started = [listen(each, url, ["a", "b"], count=3) for each in both]
    for name, payload in (("a", 1), ("c", 0), ("b", nested), ("a", None)):
        assert publish(url, name, payload)["receivers"] == (0 if name == "c" else 2)
    for each, begun in zip(both, started, strict=True):
        events = heard(each, begun)["events"]
        assert [(event["event"], event["payload"]) for event in events] == [
            ("a", 1), ("b", nested), ("a", None)]
        assert each["event_a"] is None and each["event_b"] == nested  # the newest of each name


def test_the_envelope_and_the_copies(ctx: Any, url: str, tmp_path: Path) -> None:
    file = tmp_path / "Data" / "events.log"
    started = listen(ctx, url, "a", count=2, to_events=True, log_file=str(file))
    publish(url, "a", [1], source="probe")
    publish(url, "a", [2])
    heard(ctx, started)
    assert plain(ctx, "event_a") == [2]
    events = plain(ctx, "events")
    assert [(each["event"], each["source"], each["payload"]) for each in events] == [
        ("a", "probe", [1]), ("a", None, [2])]
    assert all(list(each) == ["event", "timestamp", "source", "payload"] for each in events)
    assert [json.loads(line) for line in file.read_text().splitlines()] == events
    publish(url, "a", [3], log_file=str(file))
    assert json.loads(file.read_text().splitlines()[2])["payload"] == [3]


def test_what_other_programs_send_and_get(ctx: Any, server: str) -> None:
    import redis

    started = listen(ctx, server, "odd", count=3)
    with redis.Redis.from_url(server) as client, client.pubsub() as other:
        other.subscribe("even")
        assert other.get_message(timeout=30) is not None
        for text in ('{"a": 1}', "no JSON", b"\xff"):
            client.publish("odd", text)
        payload = {"test_id": "abc123"}
        publish(server, "even", payload)
        message = other.get_message(timeout=30)
        assert message is not None and json.loads(message["data"]) == payload  # as it is, without an envelope
    assert [each["payload"] for each in heard(ctx, started)["events"]] == [{"a": 1}, "no JSON", "\ufffd"]


def test_a_queue_keeps_what_nobody_waits_for(ctx: Any, url: str) -> None:
    for number in range(3):
        assert publish(url, "step_done", {"n": number}, mode="queue")["receivers"] == number + 1
    # published and then waited for in one process, as the document's sample has it
    assert subscribe(ctx, url, "step_done", mode="queue")["received"] == 1
    assert plain(ctx, "event_step_done") == {"n": 0}
    with pytest.raises(EventTimeout, match="2 of 3 events came; waited for other, step_done"):
        subscribe(ctx, url, ["other", "step_done"], mode="queue", count=3, timeout=0)
    result = subscribe(ctx, url, "step_done", mode="queue", count=9, timeout=0, on_timeout="return")
    assert [each["payload"]["n"] for each in result["events"]] == [1, 2] and result["timed_out"] is True
    publish(url, "bad", 1, mode="queue")
    with pytest.raises(IsADirectoryError):  # what a step that fails has taken is there again
        subscribe(ctx, url, "bad", mode="queue", log_file=".")
    assert "event_bad" not in ctx
    assert subscribe(ctx, url, "bad", mode="queue")["received"] == 1


def test_threads_that_take_from_a_queue(url: str) -> None:
    got: list[list[int]] = [[], [], []]

    def take(mine: list[int]) -> None:
        while True:
            (event,) = subscribe({}, url, "work", mode="queue")["events"]
            if event["payload"] is None:
                return
            mine.append(event["payload"])

    threads = [threading.Thread(target=take, args=(mine,)) for mine in got]
    for thread in threads:
        thread.start()
    for number in [*range(50), None, None, None]:
        publish(url, "work", number, mode="queue")
    for thread in threads:
        thread.join()
    assert sorted(number for mine in got for number in mine) == list(range(50))


def test_nothing_in_time(ctx: Any, url: str) -> None:
    with pytest.raises(TimeoutError, match="within 0.05 s 0 of 1 events came; waited for never") as raised:
        subscribe(ctx, url, "never", timeout=0.05)
    assert isinstance(raised.value, OctoError) and list(ctx) == ["errors"]
    assert plain(ctx, "errors")[0]["step"] == "ctx_event_bus_advanced"
    result = subscribe(ctx, url, "never", timeout=0, on_timeout="return")
    assert result == {"received": 0, "events": [], "timed_out": True}
    with pytest.raises(TimeoutError, match="nobody listened to the event never"):
        publish(url, "never", 1, wait_for_subscriber=True, timeout=0)


def test_a_publisher_that_waits_for_somebody(ctx: Any, url: str) -> None:
    thread = threading.Thread(target=publish, args=(url, "a", 5), kwargs={"wait_for_subscriber": True})
    thread.start()
    assert subscribe(ctx, url, "a")["received"] == 1 and plain(ctx, "event_a") == 5
    thread.join()


def test_a_server_that_is_away_for_a_while(ctx: Any, tmp_path: Path) -> None:
    with local_redis() as url:
        started = listen(ctx, url, "a", retries=1, retry_delay=0)
        silent = listen(ctx, url, "b")
    # gone: who may not try again says so, and so does who has tried in vain
    assert "Connection" in heard(ctx, started) or "No such file" in heard(ctx, started)
    assert heard(ctx, silent)
    with pytest.raises(ConnectionError, match="redis.sock") as raised:
        publish(url, "a", 1, retries=2, retry_delay=0)
    import redis

    assert isinstance(raised.value, OctoError) and isinstance(raised.value, redis.exceptions.ConnectionError)
    assert len(plain(ctx, "errors")) == 2


def test_a_listener_that_connects_anew(ctx: Any, server: str) -> None:
    import redis

    started = listen(ctx, server, "again", retries=5, retry_delay=0)
    with redis.Redis.from_url(server) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    publish(server, "again", 1, wait_for_subscriber=True)
    assert heard(ctx, started)["received"] == 1


def test_a_password_from_the_environment(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with local_redis("--requirepass", "s3cret") as url:
        with pytest.raises(ConnectionError, match="Authentication required"):
            publish(url, "a", 1)
        monkeypatch.setenv("REDIS_PASSWORD", "s3cret")
        assert publish(url + "?password=${REDIS_PASSWORD}", "a", 1)["receivers"] == 0
        monkeypatch.setenv("REDIS_URL", url + "?password=wr0ng")
        with pytest.raises(ConnectionError) as raised:
            ctx_event_bus_advanced.run(ctx, {"action": "subscribe", "event": "a"})
    said = str(raised.value) + json.dumps(plain(ctx, "errors"))
    assert "WRONGPASS" in said or "invalid" in said
    assert "wr0ng" not in said and "s3cret" not in said


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"event": "a"}, MissingParam, "'action' is missing"),
    ({"action": "publish"}, MissingParam, "'event' is missing"),
    ({"action": "send", "event": "a"}, ParamError, "one of 'publish', 'subscribe', not 'send'"),
    ({"action": "publish", "event": ""}, ParamError, "not empty"),
    ({"action": "publish", "event": []}, ParamError, "the name of an event, or several"),
    ({"action": "publish", "event": "job_*"}, ParamError, "job_*: only to subscribe"),
    ({"action": "subscribe", "event": "job_*", "mode": "queue"}, ParamError, "not to a queue"),
    ({"action": "subscribe", "event": "a", "count": 0}, ParamError, "count: it is 1 or more"),
    ({"action": "subscribe", "event": "a", "timeout": -1}, ParamError, "timeout: it is 0 or more"),
    ({"action": "publish", "event": "a", "broker_url": "amqp://u:w@h/x"}, ParamError, "amqp://h/x is no broker"),
    ({"action": "publish", "event": "a", "broker_url": "redis://:${NOT_SET_AT_ALL}@h"}, UsageError, "NOT_SET_AT_ALL"),
    ({"action": "publish", "event": "a", "payload": {"x": {1}}}, ShapeError, "payload/x"),
    ({"action": "publish", "event": "a", "payload": object()}, TypeError, "payload"),
])
def test_mistakes(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as raised:
        ctx_event_bus_advanced.run(ctx, {"broker_url": "memory://", **params})
    assert words in str(raised.value) and isinstance(raised.value, OctoError)
    assert ":w@" not in str(raised.value) and not list(ctx)


def test_between_two_programs(ctx: Any, server: str, checkout: Path) -> None:
    command = [sys.executable, "-m", "octo", "exec", "--json", "ctx_event_bus_advanced", "--action", "publish",
               "--event", "test_completed", "--payload", '{"test_id": "abc123"}', "--broker_url", server]
    started = listen(ctx, server, "test_completed")
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(checkout)})
    assert json.loads(done.stdout)["result"] == {"published": "test_completed", "receivers": 1}, done.stderr
    assert heard(ctx, started)["received"] == 1 and plain(ctx, "event_test_completed") == {"test_id": "abc123"}


def test_in_a_recipe_with_a_resume(tmp_path: Path, server: str) -> None:
    project = Project(tmp_path / "p")
    project.recipe(f"""
        defaults: {{parallel: true}}
        steps:
          - name: wait_for_data_ready
            module: scriptlets.python.core.ctx_event_bus_advanced
            function: run
            params: {{action: subscribe, event: data_ready, broker_url: "{server}", timeout: 30}}
          - name: publish_data_ready
            module: scriptlets.python.core.ctx_event_bus_advanced
            function: run
            params: {{action: publish, event: data_ready, broker_url: "{server}", wait_for_subscriber: true,
                      payload: {{source: pipeline1, details: metrics generated}}}}
          - name: late
            depends_on: [wait_for_data_ready, publish_data_ready]
            function: ctx_event_bus_advanced
            params: {{action: subscribe, event: late, broker_url: "{server}", mode: queue, timeout: 0.1}}
    """)
    result = project.run()
    assert result.error["type"] == "EventTimeout" and project.status()["late"] == "FAILED"
    assert project.ctx["event_data_ready"] == {"source": "pipeline1", "details": "metrics generated"}
    assert [each["step"] for each in project.ctx["errors"]] == ["ctx_event_bus_advanced"]
    publish(server, "late", 1, mode="queue")
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["event_late"] == 1


def test_in_a_recipe_a_job_waits_while_the_next_step_publishes(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        defaults: {function: ctx_event_bus_advanced}
        steps:
          - {name: ear, params: {action: subscribe, event: "a*", broker_url: "memory://job", background: true,
                                 to_events: true}}
          - {name: mouth, params: {action: publish, event: ab, broker_url: "memory://job", payload: [1]}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["mouth"]["result"] == {"published": "ab", "receivers": 1}
    assert project.ctx["event_ab"] == [1] and project.ctx["events"][0]["event"] == "ab"
    assert project.ctx["jobs"][project.steps["ear"]["result"]["job_id"]]["status"] == "done"


def test_a_background_step_ends_with_the_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("def nothing(): pass")
    project.recipe("""
        steps:
          - {name: ear, background: true, function: ctx_event_bus_advanced,
             params: {action: subscribe, event: never, broker_url: "memory://ear", timeout: 600}}
          - {name: work, module: BODY, function: nothing, depends_on: ear}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.status()["ear"] == "STOPPED" and project.steps["ear"]["result"]["received"] == 0


def test_a_step_that_is_asked_to_stop_is_not_done() -> None:
    from step_library.kit.events.exchanging import Stopped

    ctx = Context()
    ctx.stop.set()
    with pytest.raises(Stopped, match="it is to stop, and 0 of 1 events came"):
        subscribe(ctx, "memory://stop", "never", timeout=600)
    with pytest.raises(Stopped, match="nobody has listened"):
        ctx_event_bus_advanced.run(ctx, {"action": "publish", "event": "a", "broker_url": "memory://stop",
                                         "wait_for_subscriber": True})


def test_a_url_that_is_no_broker_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_OF_TEST", "user:s3cret@host:6379/0")  # the scheme was forgotten
    for url, seen in (("${BROKER_OF_TEST}", "${BROKER_OF_TEST} is no broker"),
                      ("user:s3cret@host:6379/0", "the URL is no broker")):
        with pytest.raises(ParamError) as raised:
            publish(url, "a", 1)
        assert seen in str(raised.value) and "s3cret" not in str(raised.value)
