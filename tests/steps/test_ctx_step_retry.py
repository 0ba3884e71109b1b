"""ctx_step_retry: calls that are made again when they fail."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import NameNotFound, OctoError, ShapeError, StepTimeout
from octo.executors.jobs import current_job
from step_library.control import ctx_step_retry
from step_library.control.ctx_step_retry import run
from tests.recipe.runs import Project

LONG = 30.0


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


def flaky(fails: int, error: type[Exception] = ValueError) -> Callable[..., str]:
    """A function that fails so often, then ends well."""
    calls = iter(range(fails))

    def attempt(**args: Any) -> str:
        if next(calls, None) is not None:
            raise error("not yet!")
        return "OK"

    return attempt


def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits, which are told instead of waited."""
    found: list[float] = []

    def waited(ctx: Any, seconds: float) -> bool:
        found.append(seconds)
        return False

    monkeypatch.setattr("step_library.kit.work.calls.pause", waited)
    return found


def test_the_documented_calls(ctx: Any) -> None:
    """The first and second documented example."""
    assert run(ctx, {"fn": lambda: "OK", "retries": 5, "delay": 1}) == {"result": "OK", "attempt": 1}
    assert run(ctx, {"fn": flaky(2), "retries": 5, "delay": 0}) == {"result": "OK", "attempt": 3}
    assert dict(ctx) == {}


def test_a_flaky_call(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third documented example: the failures are given, not by chance."""
    fails = iter([1, 1])
    waits = pauses(monkeypatch)

    def flaky_network_op(url: str, n: int) -> dict[str, Any]:
        if next(fails, None):
            raise RuntimeError("Temporary failure")
        return {"value": n * 2, "source": url}

    given = {"fn": flaky_network_op, "args": {"url": "http://myapi.com/data", "n": 5}, "retries": 4, "delay": 1}
    assert run(ctx, given) == {"result": {"value": 10, "source": "http://myapi.com/data"}, "attempt": 3}
    assert waits == [1, 2]


def test_without_ctx() -> None:
    """The fourth documented example; the result is bytes, and ctx is None."""
    assert run(None, {"fn": lambda: b"ok", "retries": 5})["result"] == b"ok"

    def shell_ping() -> None:
        raise RuntimeError("Ping failed")

    with pytest.raises(RuntimeError, match="Ping failed"):
        run(None, {"fn": shell_ping, "retries": 2, "delay": 0, "log": True, "errors": True, "status_key": "x"})


def test_the_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sixth documented example, the schedule: 2 s, 4 s, and none after the last failure."""
    waits = pauses(monkeypatch)
    with pytest.raises(ValueError, match="not yet"):
        run({}, {"fn": flaky(9)})
    assert waits == [2, 4]
    waits.clear()
    run({}, {"fn": flaky(5), "retries": 9, "delay": 1, "backoff": 10, "max_delay": 500})
    assert waits == [1, 10, 100, 500, 500]
    waits.clear()
    run({}, {"fn": flaky(3), "retries": 9, "wait": lambda attempt: attempt * 7})
    assert waits == [7, 14, 21]


def test_within_a_step_of_ones_own(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The eighth documented example: a function of ctx and params calls it with a function of its own."""
    waits = pauses(monkeypatch)

    def safe_fetch(ctx: Any, params: dict[str, Any]) -> Any:
        tries = iter([ConnectionError("down"), None])

        def fetch() -> str:
            error = next(tries)
            if error is not None:
                raise error
            return str(params["url"])

        return run(ctx, {"fn": fetch, "retries": 3, "delay": 3})

    assert safe_fetch(ctx, {"url": "u"}) == {"result": "u", "attempt": 2} and waits == [3]


def test_which_exceptions() -> None:
    for names in ("OSError", ["KeyError", "ConnectionError"]):
        assert run({}, {"fn": flaky(1, ConnectionError), "delay": 0, "exceptions": names})["attempt"] == 2
    failing = flaky(1)
    with pytest.raises(ValueError, match="not yet"):
        run({}, {"fn": failing, "delay": 0, "retry_exceptions": ["KeyError"]})


def test_what_is_told(ctx: Any) -> None:
    with pytest.raises(ValueError, match="not yet"):
        run(ctx, {"fn": flaky(9), "retries": 2, "delay": 0, "step_name": "load", "log": True, "trace": True,
                  "errors": True, "status_key": "last_retry_status"})
    assert [(line["level"], line["msg"]) for line in ctx["log"]] == [
        ("WARN", "load: attempt 1 of 2 failed: not yet!"), ("WARN", "load: attempt 2 of 2 failed: not yet!")]
    assert [(each["status"], each["error"]) for each in ctx["trace"]] == [("error", "not yet!")] * 2
    assert [(each["step"], each["error"]) for each in ctx["errors"]] == [("load", "not yet!")]
    assert ctx["last_retry_status"] == {"load": {"status": "error", "attempts": 2, "error": "not yet!"}}
    run(ctx, {"fn": flaky(1), "delay": 0, "trace": True, "status_key": "last_retry_status"})
    assert ctx["trace"][-1]["status"] == "success" and "error" not in ctx["trace"][-1]
    assert ctx["last_retry_status"]["attempt"] == {"status": "success", "attempts": 2, "error": None}


def test_other_arguments_for_the_next_attempt(ctx: Any) -> None:
    def fetch(host: str) -> str:
        if host != "c":
            raise ConnectionError(host)
        return host

    told: list[Any] = []

    def next_host(attempt: int, error: str, args: dict[str, Any]) -> dict[str, Any]:
        told.append((attempt, error, args))
        return {"host": chr(ord(args["host"]) + 1)}

    found = run(ctx, {"fn": fetch, "args": {"host": "a"}, "delay": 0, "on_retry": next_host})
    assert found == {"result": "c", "attempt": 3} and told == [(1, "a", {"host": "a"}), (2, "b", {"host": "b"})]
    with pytest.raises(ShapeError, match="on_retry is to return a dict"):
        run(ctx, {"fn": flaky(1), "delay": 0, "on_retry": lambda attempt, error, args: 3})


def test_a_step_and_a_coroutine(ctx: Any) -> None:
    async def later(x: int) -> int:
        return x

    ctx["rows"] = [1]
    assert run(ctx, {"fn": "ctx_filter", "args": {"type": "list"}})["result"] == {"filtered": "filtered_keys"}
    assert run(ctx, {"fn": later, "args": {"x": 3}}) == {"result": 3, "attempt": 1}


def test_an_attempt_that_hangs_is_left_behind(ctx: Any) -> None:
    go, ended = threading.Event(), threading.Event()
    attempts: list[int] = []

    def hangs(ctx: Any) -> str:
        attempts.append(1)
        if len(attempts) == 1:
            job = current_job()
            assert job is not None and job.stop.wait(LONG) and go.wait(LONG)
            try:
                ctx["late"] = 1
            finally:
                ended.set()
        return "quick"

    assert run(ctx, {"fn": hangs, "timeout": 0.05, "delay": 0}) == {"result": "quick", "attempt": 2}
    go.set()
    assert ended.wait(LONG) and ("late" in ctx) == (not isinstance(ctx, Context))


def test_the_time_out_is_the_error_of_the_last_attempt() -> None:
    go = threading.Event()
    with pytest.raises(StepTimeout, match="wait took longer than its time-out of 0.05 s"):
        run({}, {"fn": go.wait, "timeout": 0.05, "retries": 1})
    go.set()
    with pytest.raises(ValueError, match="not yet"):
        run({}, {"fn": flaky(1), "timeout": LONG, "retries": 1})


def test_in_a_process(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("step_library.kit.work.processes.PATIENCE", 0.1)
    assert run(ctx, {"fn": os.getpid, "process": True})["result"] != os.getpid()
    with pytest.raises(StepTimeout, match="sleep took longer than its time-out"):
        run(ctx, {"fn": "asyncio:sleep", "args": {"delay": 60}, "process": True, "timeout": 0.01,
                  "retries": 1})
    with pytest.raises(ValueError, match="a process finds a function by its name"):
        run(ctx, {"fn": lambda: 1, "process": True})


def test_a_stopped_run_does_not_wait() -> None:
    ctx = Context()
    ctx.stop.set()
    with pytest.raises(ValueError, match="not yet"):
        run(ctx, {"fn": flaky(1), "delay": 3000})


@pytest.mark.parametrize(("params", "error", "words"), [
    ({}, KeyError, "parameter 'fn' is missing"),
    ({"fn": "no_such:f"}, NameNotFound, "no_such"),
    ({"fn": "math:pi"}, NameNotFound, "neither a function nor a class"),
    ({"fn": len, "retries": 0}, ValueError, "retries is how often the function is called, 1 or more, not 0"),
    ({"fn": len, "delay": -1}, ValueError, "delay is 0 or more"),
    ({"fn": len, "timeout": 0}, ValueError, "timeout is more than 0"),
    ({"fn": lambda x: x, "args": {"y": 1}}, TypeError, "args do not fit: unknown parameter 'y'"),
    ({"fn": len, "args": [1]}, ValueError, "parameter 'args' is to be dict"),
    ({"fn": lambda: 1, "log": True}, ShapeError, "ctx['log'] is to be a list"),
    ({"fn": lambda: 1, "status_key": "log"}, ShapeError, "ctx['log'] is to be a dict"),
])
def test_mistakes(params: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        ctx_step_retry.run({"log": "text"}, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError)


def test_in_a_recipe(tmp_path: Path) -> None:
    """The documented recipe step, with a function of its own; its status outlives the step that failed."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def fetch(ctx, params):
            ctx["seen"] = ctx.get("seen", 0) + 1
            if not Path("go").exists():
                raise ConnectionError("down")
            return {"url": params["url"]}
    """)
    project.recipe("""
        steps:
          - {name: first, function: ctx_init, params: {keys: [n]}}
          - name: fetch_data_with_retry
            type: python
            module: scriptlets.python.steps.ctx_step_retry
            function: run
            params: {fn: "BODY:fetch", args: {url: "https://service/api/data"}, retries: 3, delay: 0,
                     status_key: last_retry_status}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.ctx["last_retry_status"]["fetch"]["attempts"] == 3 and "seen" not in project.ctx
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["seen"] == 1 and project.ctx["last_retry_status"]["fetch"]["status"] == "success"
    assert project.steps["fetch_data_with_retry"]["result"] == {
        "result": {"url": "https://service/api/data"}, "attempt": 1}
