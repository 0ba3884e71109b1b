"""ctx_event_alert: who is told of an event, and how often."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, NameNotFound, OctoError, ShapeError
from octo.executors.jobs import default_pool
from octo.param import MissingParam, ParamError
from step_library.events import ctx_event_alert, ctx_event_bus
from step_library.kit.events.claims import new_claim
from tests.recipe.runs import Project
from tests.steps.local_http import local_http
from tests.steps.local_smtp import local_smtp

EVENTS = [
    {"event": "job_failed", "timestamp": "2025-08-26 10:30:00", "source": "train_model",
     "payload": {"job_id": 123, "error": "MemoryError"}},
    {"event": "data_ready", "timestamp": "2025-08-26 10:31:00", "source": "data_loader"},
]
told: list[Any] = []


def send_slack_alert(payload: Any) -> None:
    told.append(payload)


@pytest.fixture(autouse=True)
def _nothing_told_yet() -> None:
    told.clear()


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    events = json.loads(json.dumps(EVENTS))
    return {"events": events} if request.param == "dict" else Context(events=events)


def plain(ctx: Any, key: str = "events") -> Any:
    return ctx.plain(key) if isinstance(ctx, Context) else ctx[key]


def alert(ctx: Any, event: str = "job_failed", fn: Any = send_slack_alert, **more: Any) -> Any:
    return ctx_event_alert.run(ctx, {"event": event, "notify_fn": fn, **more})


def test_the_documented_examples(ctx: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """ctx_event_alert, examples 0 to 5; what is posted to Slack is posted to a server of the test."""
    def send_email(payload: Any) -> None:
        print(f"Email sent to team: {payload}")

    def simple_alert(payload: Any) -> None:
        print("ALERT:", payload)

    assert alert(ctx, fn=send_email) == {"alerted": True, "count": 1, "event": "job_failed"}
    alert(ctx, "data_ready", simple_alert, payload={"custom": "manual override"})
    assert capsys.readouterr().out.splitlines() == [
        "Email sent to team: {'job_id': 123, 'error': 'MemoryError'}", "ALERT: {'custom': 'manual override'}"]
    with local_http(lambda asked: (200, b"ok")) as server:
        def post_to_slack(payload: Any) -> None:
            import requests

            requests.post(server.url, json={"text": str(payload)}, timeout=30)

        alert(ctx, fn=post_to_slack)
        ctx["events"].append({"event": "validation_error", "payload": {}})
        for name in ("scriptlets.python.core.ctx_notify.run", "ctx_notify"):
            alert(ctx, "validation_error", name, payload={"type": "slack", "webhook_url": f"{server.url}/services/XXX",
                                                          "message": "Validation failed. Check logs."})
    assert [asked.json["text"] for asked in server.asked] == [
        "{'job_id': 123, 'error': 'MemoryError'}", *["Validation failed. Check logs."] * 2]
    show_dash_alert = told.append
    alert(ctx, "data_ready", lambda payload: show_dash_alert(payload))
    assert told == [{}]
    alert(ctx, fn=f"{__name__}.send_slack_alert")
    alert(ctx, fn=f"{__name__}:send_slack_alert")


def test_no_event_and_no_payload(ctx: Any) -> None:
    nothing = {"alerted": False, "count": 0, "event": "other"}
    assert alert(ctx, "other") == nothing == alert({}, "other") and told == []
    alert(ctx, "data_ready")
    assert told == [{}] and plain(ctx) == EVENTS and list(ctx) == ["events"]


def test_a_notifier_may_change_what_it_is_given(ctx: Any) -> None:
    alert(ctx, fn=lambda payload: told.append(payload.pop("error")))
    assert told == ["MemoryError"] and plain(ctx) == EVENTS


def test_functions_of_several_kinds(ctx: Any) -> None:
    alert(ctx, fn=lambda ctx, payload: told.append((len(ctx["events"]), payload["job_id"])))
    alert(ctx, fn=lambda payload, urgent=True: told.append((urgent, payload["job_id"])))
    alert(ctx, fn=partial(lambda where, payload: told.append((where, payload["job_id"])), "here"))
    alert(ctx, fn=told.append)
    alert(ctx, fn=lambda *more: told.append(len(more)))
    assert told == [(2, 123), (True, 123), ("here", 123), {"job_id": 123, "error": "MemoryError"}, 1]
    alert(ctx, fn="ctx_event_bus", payload={"event": "again"})
    assert plain(ctx)[2]["event"] == "again"
    with pytest.raises(ShapeError, match="payload: it stands for the parameters"):
        alert(ctx, fn="ctx_event_bus", payload=[1])


def test_which_events(ctx: Any) -> None:
    for number in range(3):
        ctx_event_bus.run(ctx, {"event": "job_failed", "source": "load", "payload": {"job_id": number}})

    def ids(**which: Any) -> list[Any]:
        told.clear()
        count = alert(ctx, **{"mode": "all", **which})["count"]
        assert count == len(told)
        return [payload.get("job_id") for payload in told]

    assert ids(mode="first") == [123] and ids() == [123, 0, 1, 2]
    assert ids(source="load", where={"job_id": 1}) == [1]
    assert ids(until="2025-08-26 10:30:00") == [123] and ids(since="2026-01-01 00:00:00") == [0, 1, 2]
    assert ids(event="*", until="2026-01-01 00:00:00") == [123, None] == ids(event="*a*", match="pattern")[:2]
    assert ids(event="job", match="prefix", source="train_model") == [123]


@pytest.mark.parametrize("how", ["mark", "remove"])
def test_each_event_once(ctx: Any, how: str) -> None:
    for number in range(2):
        ctx_event_bus.run(ctx, {"event": "job_failed", "payload": {"job_id": number}})
    counts = [alert(ctx, **{how: True})["count"] for _ in range(2)] + [alert(ctx, mode="all", **{how: True})["count"]]
    assert counts == [1, 1, 1] and [payload["job_id"] for payload in told] == [123, 0, 1]
    assert alert(ctx, mode="all", **{how: True}) == {"alerted": False, "count": 0, "event": "job_failed"}
    if how == "mark":
        assert [each["event"] for each in plain(ctx) if each.get("notified", "").startswith("20")] == ["job_failed"] * 3
        assert len(plain(ctx)) == 4 and "event_log" not in ctx
    else:
        assert plain(ctx) == EVENTS[1:] and plain(ctx, "event_log")[0] == EVENTS[0]
        assert len(plain(ctx, "event_log")) == 3 and not any("notified" in each for each in plain(ctx, "event_log"))


@pytest.mark.parametrize("how", ["mark", "remove"])
def test_a_notifier_that_fails(ctx: Any, how: str) -> None:
    for number in range(3):
        ctx_event_bus.run(ctx, {"event": "job_failed", "payload": {"job_id": number}})
    before = list(plain(ctx))

    def bad(payload: Any) -> None:
        if payload["job_id"] == 1:
            raise ConnectionError("no luck")
        told.append(payload["job_id"])

    with pytest.raises(ConnectionError, match="no luck"):
        alert(ctx, fn=bad, mode="all", record=True, **{how: True})
    assert told == [123, 0]
    assert [(each["ok"], each["payload"]["job_id"]) for each in plain(ctx, "alerts")] == [
        (True, 123), (True, 0), (False, 1)]
    left = [each for each in plain(ctx) if each["event"] == "job_failed" and "notified" not in each]
    assert left == before[3:]  # what nobody was told of is told the next time
    alert(ctx, mode="all", **{how: True})
    assert told[2:] == [{"job_id": 1}, {"job_id": 2}]


@pytest.mark.parametrize("how", ["mark", "remove"])
def test_what_a_killed_program_was_at_is_alerted_of_again(ctx: Any, how: str) -> None:
    code = "from step_library.kit.events.claims import new_claim; print(new_claim())"
    killed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    mine, elsewhere = new_claim(), killed.rpartition(" ")[0] + " another-machine"
    ctx["events"] = [{"event": "tick", "payload": number, "notified": mark}
                     for number, mark in enumerate((killed, mine, elsewhere, "2026-01-01 00:00:00", "odd"))]
    assert alert(ctx, "tick", mode="all", **{how: True})["count"] == 1 and told == [0]
    assert alert(ctx, "tick", mode="all", **{how: True})["count"] == 0


def test_threads_alert_of_each_once(ctx: Any) -> None:
    ctx["events"] = [{"event": "tick", "payload": number} for number in range(60)]

    def work() -> None:
        while alert(ctx, "tick", remove=True)["alerted"]:
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == list(range(60)) == sorted(each["payload"] for each in plain(ctx, "event_log"))


def test_by_a_channel(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx["test_id"] = "T1"
    ctx["events"].append({"event": "odd", "payload": {"text": "{ctx[test_id]}"}})
    with local_http(lambda asked: (200, b"ok")) as http, local_smtp() as smtp:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", http.url)
        assert alert(ctx, fn=None, notify="slack")["alerted"]
        alert(ctx, "odd", None, notify="slack", message="{payload[text]} of {ctx[test_id]}",
              channel={"use_template": True})
        alert(ctx, fn=None, notify="email", message="{payload[error]} at {timestamp}",
              channel={"to": "team@example.org", "subject": "{event}", "smtp_server": "127.0.0.1",
                       "smtp_port": smtp.port})
        with pytest.raises(MissingKey, match="message: {payload\\[x\\]}"):
            alert(ctx, fn=None, notify="slack", message="{payload[x]}")
    assert [asked.json["text"] for asked in http.asked] == [
        "job_failed from train_model: {'job_id': 123, 'error': 'MemoryError'}", "{ctx[test_id]} of T1"]
    (found,) = smtp.mails
    assert found["Subject"] == "job_failed" and found.get_content().strip() == "MemoryError at 2025-08-26 10:30:00"
    assert [each["type"] for each in plain(ctx, "notifications")] == ["slack", "slack", "email"]


def test_a_dry_run_tells_nobody(ctx: Any) -> None:
    done = alert(ctx, dry_run=True, remove=True, mode="all")
    assert done == {"alerted": False, "count": 1, "event": "job_failed"} and told == [] and plain(ctx) == EVENTS
    (kept,) = plain(ctx, "alerts")
    assert kept["dry_run"] is True and kept["destination"] == "send_slack_alert"
    assert kept["payload"] == EVENTS[0]["payload"]


def test_in_the_background(ctx: Any) -> None:
    done = alert(ctx, background=True, remove=True, record=True)
    assert default_pool().wait(30)
    assert ctx["jobs"][done["job_id"]]["status"] == "done" and told == [EVENTS[0]["payload"]]
    assert plain(ctx) == EVENTS[1:] and plain(ctx, "alerts")[0]["ok"] is True


def test_a_job_that_cannot_begin_leaves_the_events_free(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*job: Any) -> None:
        raise OctoError("no more jobs")

    monkeypatch.setattr(ctx_event_alert, "start_job", refuse)
    with pytest.raises(OctoError, match="no more jobs"):
        alert(ctx, background=True, mark=True)
    assert plain(ctx) == EVENTS and told == []


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"notify_fn": send_slack_alert}, MissingParam, "'event' is missing"),
    ({"event": "a"}, MissingParam, "'notify_fn' is missing"),
    ({"event": "", "notify_fn": send_slack_alert}, ParamError, "not empty"),
    ({"event": "a", "notify_fn": send_slack_alert, "notify": "slack"}, ParamError, "give one of them"),
    ({"event": "a", "notify": "toast"}, ParamError, "there is no channel 'toast'; there are email"),
    ({"event": "a", "notify": "email"}, MissingParam, "'to' is missing: type email"),
    ({"event": "a", "notify": "email", "channel": {"two": 2}}, ParamError, "unknown parameter 'two'"),
    ({"event": "a", "notify_fn": "no_such:thing"}, NameNotFound, "no_such"),
    ({"event": "a", "notify_fn": 3}, ParamError, "'notify_fn' is to be callable"),
    ({"event": "a", "notify_fn": send_slack_alert, "since": "noon"}, ShapeError, "a time is epoch seconds or text"),
])
def test_mistakes(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as raised:
        ctx_event_alert.run(ctx, params)
    assert words in str(raised.value) and isinstance(raised.value, OctoError)
    assert list(ctx) == ["events"] and plain(ctx) == EVENTS


@pytest.mark.parametrize("kind", [dict, Context])
def test_events_that_are_no_list(kind: Any) -> None:
    with pytest.raises(ShapeError, match="ctx\\['events'\\] is to be a list"):
        alert(kind(events={"a": 1}))
    ctx = kind(events=["odd", 3, {"event": "job_failed"}])
    assert alert(ctx, mark=True)["count"] == 1 and plain(ctx)[:2] == ["odd", 3]


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def send_slack_alert(payload):
            if not Path("go").exists():
                raise ConnectionError("slack is away")
            with open("told", "a") as file:
                print(payload["job"], file=file)
    """)
    project.recipe("""
        steps:
          - {name: emit, function: ctx_event_bus, params: {event: job_failed, payload: {job: j1}}}
          - {name: job_failure_alert, idx: 7, module: scriptlets.python.core.ctx_event_alert, function: run,
             params: {event: job_failed, notify_fn: BODY.send_slack_alert, remove: true}}
          - {name: again, function: ctx_event_alert,
             params: {event: job_failed, notify_fn: "BODY:send_slack_alert", remove: true}}
    """.replace("emit,", "emit, idx: 1,").replace("again,", "again, idx: 9,"))
    result = project.run()
    assert result.status == "COMPLETE_ERROR" and "slack is away" in result.error["message"]
    assert [each["event"] for each in project.ctx["events"]] == ["job_failed"]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.lines("told") == ["j1"] and project.ctx["events"] == []
    assert project.steps["again"]["result"]["alerted"] is False


def test_a_notifier_that_is_not_there_is_found_before_the_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("steps:\n  - {name: a, function: ctx_event_alert, params: {event: a, notify_fn: no_such.thing}}\n")
    assert "no_such" in str(project.refused())
