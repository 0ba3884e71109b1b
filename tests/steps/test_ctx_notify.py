"""ctx_notify: messages to people, against a real HTTP server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from octo.context import Context
from octo.errors import MissingKey, OctoError, UsageError
from octo.executors.jobs import default_pool
from octo.param import MissingParam
from step_library.events import ctx_notify
from step_library.kit.notify import channels
from step_library.kit.notify.channels import Delivery, Way
from tests.recipe.runs import Project
from tests.steps.local_http import LocalHttp, local_http

VARIABLES = ("SLACK_WEBHOOK_URL", "TEAMS_WEBHOOK_URL", "NOTIFY_WEBHOOK_URL")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="tell")


def ok(asked: Any) -> tuple[int, bytes]:
    return 200, b"ok"


def plain(ctx: Any, key: str = "notifications") -> Any:
    return ctx.plain(key) if isinstance(ctx, Context) else ctx[key]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def texts(server: LocalHttp) -> list[str]:
    return [asked.json["text"] for asked in server.asked]


def test_the_documented_examples(ctx: Any) -> None:
    """ctx_notify, examples 0 to 5: each message is posted to the webhook as it stands."""
    ctx["ai_summary"] = "all is well"
    messages = [
        "Your orchestrator job is done!",
        "Test pipeline completed successfully at {timestamp}",
        f"AI Summary Ready: {ctx['ai_summary']}",
        f"Error encountered: {ValueError('no luck')}",
        "Job completed",
        "Quick test",
    ]
    with local_http(ok) as server:
        for message in messages:
            said = {"type": "slack", "webhook_url": f"{server.url}/services/XXX", "message": message}
            assert ctx_notify.run(ctx, said) == {"status": 200}
    assert [asked.json for asked in server.asked] == [{"text": message} for message in messages]
    assert {(asked.method, asked.path) for asked in server.asked} == {("POST", "/services/XXX")}


def test_the_documented_command_line(checkout: Path) -> None:
    with local_http(ok) as server:
        code = ("import scriptlets.python.core.ctx_notify as notify; print(notify.run({}, {'type': 'slack', "
                f"'webhook_url': '{server.url}', 'message': 'Quick test'}}))")
        done = subprocess.run([sys.executable, "-c", code], cwd=checkout / "modules", capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(checkout)})
    assert done.stdout == "{'status': 200}\n", done.stderr
    assert texts(server) == ["Quick test"]


def test_each_try_is_kept_without_its_secrets(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(200, b"ok"), (404, b"no_team")]
    with local_http(lambda asked: answers.pop(0)) as server:
        said = {"type": "slack", "webhook_url": f"{server.url}/services/S3CRET", "message": "hello"}
        assert ctx_notify.run(ctx, said) == {"status": 200} and ctx_notify.run(ctx, said) == {"status": 404}
        monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{server.url}/services/S3CRET")
        answers += [(200, b"ok"), (403, b"invalid_token")]
        del said["webhook_url"]
        assert ctx_notify.run(ctx, said) == {"status": 200}
        with pytest.raises(requests.HTTPError, match=r"POST \$\{SLACK_WEBHOOK_URL\}: 403 Forbidden: invalid_token"):
            ctx_notify.run(ctx, {**said, "strict": True})
    kept = plain(ctx)
    assert [(each["type"], each["message"], each["ok"]) for each in kept] == [
        ("slack", "hello", True), ("slack", "hello", False), ("slack", "hello", True), ("slack", "hello", False)]
    assert [each.get("result") for each in kept] == [200, 404, 200, None]
    assert kept[0]["destination"] == server.url + "/…" and kept[2]["destination"] == "${SLACK_WEBHOOK_URL}"
    assert "S3CRET" not in json.dumps(kept) and "timestamp" in kept[0]
    size = len(kept)
    with local_http(ok) as server:
        ctx_notify.run(ctx, {"type": "slack", "webhook_url": server.url, "message": "x", "record": False})
    assert len(plain(ctx)) == size


def test_nobody_there(ctx: Any) -> None:
    said = {"type": "slack", "webhook_url": f"http://127.0.0.1:{free_port()}/services/S3CRET", "message": "x",
            "retries": 1, "retry_delay": 0}
    with pytest.raises(requests.RequestException, match=r"the connection was refused.*tried 2 times") as raised:
        ctx_notify.run(ctx, said)
    assert isinstance(raised.value, OctoError) and "S3CRET" not in str(raised.value)
    (kept,) = plain(ctx)
    assert kept["ok"] is False and "the connection was refused" in kept["error"] and "S3CRET" not in kept["error"]


def test_the_other_channels(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "s3cret")
    with local_http(ok) as server:
        base = {"webhook_url": server.url, "message": "done", "subject": "Job"}
        ctx_notify.run(ctx, {**base, "type": "slack", "blocks": [{"type": "divider"}]})
        ctx_notify.run(ctx, {**base, "type": "teams"})
        ctx_notify.run(ctx, {**base, "type": "webhook", "headers": {"Authorization": "Bearer ${TOKEN_OF_TEST}"}})
        ctx_notify.run(ctx, {"type": "webhook", "webhook_url": server.url, "data": {"n": [1]}})
    slack, teams, webhook, data = (asked.json for asked in server.asked)
    assert slack == {"text": "done", "blocks": [{"type": "divider"}]}
    (card,) = teams["attachments"]
    assert teams["type"] == "message" and card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [line["text"] for line in card["content"]["body"]] == ["Job", "done"]
    assert webhook == {"message": "done", "subject": "Job"} and data == {"n": [1]}
    assert server.asked[2].headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in json.dumps(plain(ctx))


def test_a_type_that_there_is_not(ctx: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert ctx_notify.run(ctx, {"type": "sms", "to": "1", "body": "x"}) == {"status": "noop"}
    assert not list(ctx) and "no channel 'sms'; there are email, slack, teams, webhook" in caplog.text


def test_a_channel_of_ones_own(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_channels", dict(channels._channels))
    paged: list[Any] = []

    def pager(settings: Any) -> list[Delivery]:
        def send(way: Way) -> None:
            paged.append((settings["number"], settings["message"], way.timeout))

        return [Delivery(settings["number"], send)]

    ctx["n"] = 4
    ctx_notify.register_channel("pager", pager)
    said = {"type": "pager", "message": "{n} left", "settings": {"number": "{n}2"}, "use_template": True}
    assert ctx_notify.run(ctx, said) == {"status": "sent"}
    assert paged == [("42", "4 left", 30.0)] and plain(ctx)[0]["destination"] == "42"


@pytest.mark.parametrize(("message", "text"), [
    ("Job {ctx[test_id]} of {test_id}", "Job T1 of T1"),
    ("{rows[1][a]:.2f} {{kept}} {nobody|none}", "1.50 {kept} none"),
    ("{timestamp}", "ctx's own"),
])
def test_templates(ctx: Any, message: str, text: str) -> None:
    ctx.update(test_id="T1", rows=[0, {"a": 1.5}], timestamp="ctx's own")
    with local_http(ok) as server:
        ctx_notify.run(ctx, {"type": "slack", "webhook_url": server.url, "message": message, "use_template": True,
                             "blocks": [{"text": {"text": "{test_id}"}}]})
    assert server.asked[0].json == {"text": text, "blocks": [{"text": {"text": "T1"}}]}


@pytest.mark.parametrize(("params", "error", "words"), [
    ({}, MissingParam, "'type' is missing"),
    ({"type": "slack", "message": "x"}, MissingParam, "is missing: type slack needs it, or SLACK_WEBHOOK_URL"),
    ({"type": "slack", "webhook_url": "http://127.0.0.1:9/"}, MissingParam, "'message' is missing: type slack"),
    ({"type": "email", "body": "x"}, MissingParam, "'to' is missing: type email"),
    ({"type": "slack", "webhook_url": "<WEBHOOK>", "message": "x"}, UsageError, "webhook_url: it is to be such as"),
    ({"type": "slack", "webhook_url": "http://[", "message": "x"}, UsageError, "POST the webhook cannot be called"),
    ({"type": "slack", "webhook_url": "${NOT_SET_AT_ALL}", "message": "x"}, UsageError, "has no NOT_SET_AT_ALL"),
    ({"type": "slack", "webhook_url": "http://127.0.0.1:9/", "message": "{x}", "use_template": True}, MissingKey,
     "message: {x}: there is no 'x'"),
    ({"type": "slack", "webhook_url": "http://127.0.0.1:9/", "message": "x", "timeout": 0}, ValueError,
     "timeout: it is more than 0"),
    ({"type": "slack", "webhook_url": "http://127.0.0.1:9/", "message": "x", "retries": -1}, ValueError,
     "retries: it is 0 or more"),
    ({"type": "slack", "webhook_url": "http://127.0.0.1:9/", "message": "x", "throttle": 9, "record": False},
     ValueError, "throttle: it is more than 0 seconds, and looks"),
    ({"type": "slack", "url": "http://127.0.0.1:9/", "message": "x"}, OctoError, "unknown parameter 'url'"),
])
def test_mistakes(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as raised:
        ctx_notify.run(ctx, params)
    assert words in str(raised.value) and isinstance(raised.value, OctoError)
    assert [each["ok"] for each in plain(ctx)] == [False] if "cannot be called" in words else not list(ctx)


def test_several_places_and_bursts(ctx: Any) -> None:
    with local_http(lambda asked: (500 if asked.path == "/b" else 200, b"")) as server:
        said = {"type": "slack", "webhook_url": [f"{server.url}/a", f"{server.url}/b"], "message": "x"}
        assert ctx_notify.run(ctx, said) == {"status": 500}
        said = {**said, "webhook_url": f"{server.url}/c", "throttle": 3600, "message": "y"}
        assert [ctx_notify.run(ctx, said)["status"] for _ in range(3)] == [200, "throttled", "throttled"]
        assert ctx_notify.run(ctx, {**said, "message": "z"}) == {"status": 200}
    assert [asked.path for asked in server.asked] == ["/a", "/b", "/c", "/c"]


def test_in_the_background(ctx: Any) -> None:
    with local_http(ok) as server:
        said = {"type": "slack", "webhook_url": server.url, "message": "x", "async_notify": True}
        result = ctx_notify.run(ctx, said)
        assert result["status"] == "queued" and default_pool().wait(30)
    assert ctx["jobs"][result["job_id"]]["status"] == "done" and plain(ctx)[0]["ok"] is True and texts(server) == ["x"]


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def gate(ctx):
            ctx["test_id"] = "T7"
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    with local_http(ok) as server:
        project.recipe(f"""
            steps:
              - name: begin
                module: scriptlets.python.core.ctx_notify
                function: run
                params: {{type: slack, webhook_url: "{server.url}", message: begun}}
              - {{name: gate, module: BODY, function: gate}}
              - name: end
                function: ctx_notify
                params: {{type: slack, webhook_url: "{server.url}", message: "{{test_id}} ends", use_template: true,
                          async_notify: true}}
        """)
        assert project.run().status == "COMPLETE_ERROR"
        (project.folder / "go").touch()
        assert project.run().status == "COMPLETE_SUCCESS"
    assert texts(server) == ["begun", "T7 ends"]  # the resume did not tell again
    assert [each["ok"] for each in project.ctx["notifications"]] == [True, True]
    assert project.steps["begin"]["result"] == {"status": 200}


def test_a_recipe_tells_of_its_failure(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    with local_http(lambda asked: (200, b"ok")) as server:
        project.bodies("""
            def load(ctx):
                raise ValueError("no rows")
        """)
        project.recipe(f"""
            steps:
              - {{name: load, module: BODY, function: load}}
            on_failure:
              - module: scriptlets.python.core.ctx_notify
                function: run
                params: {{type: slack, webhook_url: "{server.url}/hook", message: "The run has failed."}}
        """)
        assert project.run().status == "COMPLETE_ERROR"
    assert [asked.json for asked in server.asked] == [{"text": "The run has failed."}]
    assert project.ctx["notifications"][0]["ok"] is True
