"""ctx_push_pull: values of ctx over HTTP, against a real server."""

from __future__ import annotations

import base64
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError
from step_library.files import ctx_push_pull
from tests.recipe.runs import Project
from tests.steps.documented_files import examples
from tests.steps.local_http import Asked, LocalHttp, local_http

requests = pytest.importorskip("requests")

CTX = {"foo": [1, 2, 3], "n": {"ä": None}}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return dict(CTX) if request.param == "dict" else Context(CTX)


def echo(asked: Asked) -> tuple[Any, ...]:
    return 201, {"bar": [1, {"k": 2.5}], "foo": 7, "data": {"items": [{"x": 1}], "foo": None}}


def call(ctx: Any, server: LocalHttp, action: str, **params: Any) -> Any:
    return ctx_push_pull.run(ctx, {"url": server.url + "/p", "action": action, **params})


def values(ctx: Any) -> Any:
    return ctx.plain() if isinstance(ctx, Context) else ctx


def upper(value: Any) -> Any:
    return {"was": value}


@pytest.mark.parametrize("example", examples("ctx_push_pull"))
def test_documented_example(example: dict[str, Any], ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    params = dict(example["params"])
    key = params["key"]
    monkeypatch.setenv("token", "t0ken")
    if params["action"] == "push":
        ctx[key] = [1, 2, 3]
    if "headers" in params:  # a proposal of the document; secrets are named as everywhere: ${token}
        params["headers"] = {"Authorization": "Bearer ${token}"}
    if "transform_fn" in params:
        params["transform_fn"] = f"{__name__}:upper"
    before = dict(values(ctx))
    with local_http(lambda asked: (202, {key: [4.5]})) as server:
        result = ctx_push_pull.run(ctx, {**params, "url": server.url + "/x"})
    if params["action"] == "push":
        assert result == {"status": 202, "ok": True} and values(ctx) == before
        sent = {"was": [1, 2, 3]} if "transform_fn" in params else [1, 2, 3]
        assert server.asked[0].method == "POST" and server.asked[0].json == {key: sent}
        assert "headers" not in params or server.asked[0].headers["Authorization"] == "Bearer t0ken"
    elif params["action"] == "pull":
        assert result == {"pulled": key} and values(ctx) == {**before, key: [4.5]}
        assert (server.asked[0].method, server.asked[0].body) == ("GET", b"")
    else:
        assert result == {"status": "noop"} == example["returns"] and not server.asked


def test_push(ctx: Any) -> None:
    with local_http(echo) as server:
        assert call(ctx, server, "push", key="foo") == {"status": 201, "ok": True}
        call(ctx, server, "push", key="foo", path="data/rows", method="PUT")
        call(ctx, server, "push", key="n", path="")
        call(ctx, server, "push", keys=["foo", "n"])
        call(ctx, server, "push", keys=["foo", "gone"], mode="any", path="all", transform_fn=len)
        with pytest.raises(MissingKey, match="ctx has no key 'gone'"):
            call(ctx, server, "push", keys=["foo", "gone"])
    assert [asked.json for asked in server.asked] == [
        {"foo": [1, 2, 3]}, {"data": {"rows": [1, 2, 3]}}, {"ä": None}, CTX, {"all": {"foo": 3}}]
    assert [asked.method for asked in server.asked] == ["POST", "PUT", "POST", "POST", "POST"]
    assert server.asked[0].headers["Content-Type"] == "application/json" and values(ctx) == CTX


def test_pull(ctx: Any) -> None:
    with local_http(echo) as server:
        assert call(ctx, server, "pull", key="bar") == {"pulled": "bar"}
        assert values(ctx)["bar"] == [1, {"k": 2.5}]
        call(ctx, server, "pull", key="x", path="data/items/0/x", method="POST")
        call(ctx, server, "pull", key="all", path="", transform_fn=lambda found: sorted(found))
        assert call(ctx, server, "pull", keys=["foo", "gone"], mode="any") == {"pulled": ["foo"]}
        assert call(ctx, server, "pull", keys=["items"], path="data") == {"pulled": ["items"]}
        found = values(ctx)
        assert (found["x"], found["all"], found["foo"], found["items"]) == (1, ["bar", "data", "foo"], 7, [{"x": 1}])
        assert "gone" not in ctx and server.asked[1].method == "POST"
        for more, words in (
            ({"key": "fop"}, "/p has no 'fop'; did you mean foo?"),
            ({"key": "x", "path": "data/items/1"}, "/p has no '1': a list of 1 stands there"),
            ({"keys": ["foo", "gone"]}, "/p has no 'gone'"),
            ({"keys": ["foo"], "path": "bar"}, "is to have a dict of the keys, not a list of 2"),
        ):
            with pytest.raises((MissingKey, ValueError)) as caught:
                call(ctx, server, "pull", **more)
            assert words in str(caught.value) and values(ctx) == found
    if isinstance(ctx, Context):
        assert ctx.last_modified("bar") is not None


def test_not_a_number_is_null_on_both_ways(ctx: Any) -> None:
    with local_http(lambda asked: (200, b'{"v": [NaN, 1]}')) as server:
        call(ctx, server, "pull", key="v")
        assert values(ctx)["v"] == [None, 1]
        call({"v": (float("nan"), 1)}, server, "push", key="v")
        assert server.asked[1].json == {"v": [None, 1]}
        with pytest.raises(ValueError, match=r"ctx\['v'\] cannot be sent as JSON") as caught:
            call({"v": {1, 2}}, server, "push", key="v")
        assert isinstance(caught.value, OctoError) and len(server.asked) == 2


def test_what_the_server_refuses(ctx: Any) -> None:
    with local_http(lambda asked: (404, {"why": "none"})) as server:
        assert call(ctx, server, "push", key="foo", event="sent") == {"status": 404, "ok": False}
        with pytest.raises(requests.HTTPError, match="/p: 404 Not Found") as caught:
            call(ctx, server, "push", key="foo", fail_on_error=True)
        assert isinstance(caught.value, OctoError)
        with pytest.raises(requests.RequestException, match="404"):
            call(ctx, server, "pull", key="foo")
    with local_http(lambda asked: (200, b"<html>")) as server, pytest.raises(ValueError, match="is no JSON"):
        call(ctx, server, "pull", key="foo")
    assert values(ctx) == CTX


def test_it_is_tried_again(ctx: Any) -> None:
    statuses = [503, 429, 200]
    with local_http(lambda asked: (statuses.pop(0), {"foo": 1})) as server:
        assert call(ctx, server, "push", key="foo", attempts=3, delay=0.01) == {"status": 200, "ok": True}
    assert len(server.asked) == 3
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(requests.RequestException, match="refused.*tried 2 times"):
        ctx_push_pull.run(ctx, {"url": url, "action": "pull", "key": "foo", "attempts": 2, "delay": 0})


def test_it_does_not_wait_for_ever(ctx: Any) -> None:
    go = threading.Event()
    with local_http(lambda asked: (go.wait(30) and 200, {})) as server:
        with pytest.raises(requests.Timeout, match=r"no answer within 0\.05 s"):
            call(ctx, server, "pull", key="foo", timeout=0.05)
        go.set()


def test_secrets_come_from_the_environment(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_USER", "ann")
    monkeypatch.setenv("API_PASSWORD", "pa:ss")
    with local_http(lambda asked: (500, b"no")) as server:
        with pytest.raises(OctoError) as caught:
            call(ctx, server, "pull", key="foo", auth="${API_USER}:${API_PASSWORD}",
                 headers={"X-Key": "${API_PASSWORD}"})
        asked = server.asked[0].headers
        assert asked["Authorization"] == "Basic " + base64.b64encode(b"ann:pa:ss").decode()
        assert asked["X-Key"] == "pa:ss" and "pa:ss" not in str(caught.value)
        for more, words in (({"auth": "${NOT_SET}:x"}, "auth: the environment has no NOT_SET"),
                            ({"headers": {"A": "${NOT_SET}"}}, "headers: the environment has no NOT_SET"),
                            ({"auth": "x"}, "auth: it is two names")):
            with pytest.raises(OctoError, match=words):
                call(ctx, server, "push", key="foo", **more)
        assert len(server.asked) == 1


def test_an_event_tells_of_it(ctx: Any) -> None:
    with local_http(echo) as server:
        call(ctx, server, "push", key="foo", event="sent")
    entry = values(ctx)["events"][0]
    assert (entry["event"], entry["source"]) == ("sent", "ctx_push_pull")
    assert entry["payload"] == {"url": server.url + "/p", "keys": ["foo"], "status": 201, "ok": True}


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"key": "foo", "action": "push"}, KeyError, "'url' is missing"),
    ({"url": "http://x", "action": "push"}, KeyError, "'key' is missing"),
    ({"url": "http://x", "key": "foo"}, KeyError, "'action' is missing"),
    ({"url": "http://x", "key": "fop", "action": "push"}, KeyError, "ctx has no key 'fop'; did you mean foo?"),
    ({"url": "http://x", "key": "foo", "keys": ["n"], "action": "push"}, OctoError, "give one of them"),
    ({"url": "no url", "key": "foo", "action": "push"}, OctoError, "url:"),
    ({"url": "http://x", "key": "foo", "action": "pull", "timeout": 0}, OctoError, "timeout:"),
    ({"url": "http://x", "key": "foo", "action": "pull", "attempts": 0}, ValueError, "'attempts' is to be 1 or more"),
    ({"url": "http://x", "key": "foo", "action": "pull", "delay": -1}, OctoError, "delay and backoff"),
    ({"url": "http://x", "key": "foo", "action": "pull", "method": "HEAD"}, ValueError, "one of 'GET'"),
])
def test_mistakes(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        ctx_push_pull.run(ctx, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and values(ctx) == CTX


def test_a_large_value(ctx: Any) -> None:
    ctx["large"] = [{"n": number, "text": "x" * 20} for number in range(20_000)]
    kept: list[Any] = []

    def answer(asked: Asked) -> tuple[Any, ...]:
        kept.extend(asked.json["large"] if asked.body else ())
        return 200, {"large": kept}

    with local_http(answer) as server:
        call(ctx, server, "push", key="large")
        ctx["large"] = []
        call(ctx, server, "pull", key="large")
    assert len(ctx["large"]) == 20_000


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    with local_http(lambda asked: (200, {"model_input": {"a": 1}})) as server:
        project.recipe(f"""
            ctx: {{result: [1, 2]}}
            steps:
              - {{name: pull, module: scriptlets.python.core.ctx_push_pull,
                 params: {{action: pull, url: "{server.url}/latest", key: model_input}}}}
              - {{name: gate, cmd: test, args: [-e, go], depends_on: pull}}
              - {{name: push, function: ctx_push_pull, depends_on: gate,
                 params: {{action: push, url: "{server.url}/r", keys: [result, model_input]}}}}
        """)
        assert project.run().status == "COMPLETE_ERROR" and project.ctx["model_input"] == {"a": 1}
        (project.folder / "go").touch()
        assert project.run().status == "COMPLETE_SUCCESS"
        assert project.steps["push"]["result"] == {"status": 200, "ok": True}
    assert [asked.path for asked in server.asked] == ["/latest", "/r"]
    assert json.loads(server.asked[1].body) == {"result": [1, 2], "model_input": {"a": 1}}
