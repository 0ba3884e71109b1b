"""ctx_parallel_process: functions that run at the same time, in processes."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, StepFailed
from step_library.control import ctx_parallel, ctx_parallel_process
from step_library.control.ctx_parallel_process import run
from tests.executors.kit import is_gone, number_in, until
from tests.recipe.runs import Project

MODULE = "parallel_bodies"
BODIES = '''
import os, time
from pathlib import Path

def pid():
    return os.getpid()

def square(x):
    print("squared", x)
    return x * x

def fail():
    raise KeyError("nothing")

def die():
    os._exit(3)

def hang(file):
    Path(file + ".new").write_text(str(os.getpid()))
    os.replace(file + ".new", file)
    while True:
        time.sleep(0.01)

def together(mine, other):
    Path(mine).touch()
    end = time.monotonic() + 30
    while not Path(other).exists() and time.monotonic() < end:
        time.sleep(0.005)
    return Path(other).exists()

def fail_beside(file):
    together(file + "x", file)
    raise KeyError("beside")

def odd():
    return {1}
'''


@pytest.fixture
def bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / f"{MODULE}.py").write_text(BODIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield MODULE
    sys.modules.pop(MODULE, None)


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


def task(key: str, name: str, **args: Any) -> dict[str, Any]:
    return {"key": key, "fn": f"{MODULE}:{name}", "args": args}


def test_results_and_failures(ctx: Any, bodies: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "octo.steps")
    tasks = [task("pid", "pid"), task("square", "square", x=5), task("bad", "fail"), task("dead", "die"),
             task("odd", "odd"), {"key": "log", "fn": "ctx_logger", "args": {"msg": "m"}}]
    assert run(ctx, {"tasks": tasks, "stats": "how", "max_workers": 2}) is None
    assert ctx["pid"] != os.getpid() and ctx["square"] == 25
    assert "nothing" in ctx["bad"]["error"] and f"{MODULE}.py" in ctx["bad"]["traceback"]
    assert "exit code 3" in ctx["dead"]["error"] and "no JSON value but set" in ctx["odd"]["error"]
    assert "it wrote to ctx (log), which stays in its process" in ctx["log"]["error"]
    assert {row["key"]: row["status"] for row in ctx["how"]}["square"] == "done"
    assert next(row for row in ctx["how"] if row["key"] == "square")["rss"] > 0
    assert "square: squared 5" in caplog.text


def test_they_run_at_once_and_a_function_itself_is_found(ctx: Any, bodies: str) -> None:
    run(ctx, {"tasks": [task("a", "together", mine="a", other="b"), task("b", "together", mine="b", other="a")],
              "max_workers": 2})
    assert (ctx["a"], ctx["b"]) == (True, True)
    run(ctx, {"tasks": [{"key": "text", "fn": json.dumps, "args": {"obj": [1]}}]})
    assert ctx["text"] == "[1]"
    ctx_parallel.run(ctx, {"tasks": [task("pid", "pid")], "mode": "process"})
    assert ctx["pid"] != os.getpid()


def test_one_that_hangs_is_ended(ctx: Any, bodies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("step_library.kit.work.processes.PATIENCE", 0.1)
    file = str(tmp_path / "hangs")
    with pytest.raises(StepFailed, match="bad: 'beside'"):
        run(ctx, {"tasks": [task("slow", "hang", file=file), task("bad", "fail_beside", file=file)],
                  "max_workers": 2, "fail_fast": True})
    assert until(lambda: is_gone(number_in(Path(file)))) and dict(ctx) == {}
    run(ctx, {"tasks": [{**task("slow", "hang", file=file), "timeout": 0.05}, task("good", "square", x=2)],
              "max_workers": 2})
    assert "time-out of 0.05 s" in ctx["slow"]["error"] and ctx["good"] == 4


def test_a_stopped_run_ends_them(bodies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("step_library.kit.work.processes.PATIENCE", 0.1)
    ctx, file = Context(), tmp_path / "hangs"

    def stop() -> None:
        number_in(file)
        ctx.stop.set()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(StepFailed, match="the run was asked to stop: 0 of 1 tasks were done"):
        run(ctx, {"tasks": [task("slow", "hang", file=str(file))]})
    thread.join()
    assert until(lambda: is_gone(number_in(file))) and dict(ctx) == {}


@pytest.mark.parametrize(("params", "words"), [
    ({"tasks": [{"key": "a", "fn": lambda: 1}]}, "a process finds a function by its name"),
    ({"tasks": [{"key": "a", "fn": abs, "args": {"x": object()}}]}, "a/args/x: object is not a JSON value"),
    ({"tasks": [{"key": "a", "fn": "no_such:f"}]}, "no_such"),
    ({"tasks": [], "max_workers": 0}, "max_workers is 1 or more"),
])
def test_mistakes(params: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        ctx_parallel_process.run({}, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError)


def test_nothing_to_do(ctx: Any) -> None:
    run(ctx, {"tasks": []})
    assert dict(ctx) == {}


def test_in_a_recipe(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        import os
        from pathlib import Path
        def work(x):
            if not Path("go").exists():
                raise ValueError("not yet")
            return [x, os.getpid()]
    """)
    project.recipe("""
        steps:
          - name: compute
            module: scriptlets.python.core.ctx_parallel_process
            params:
              fail_fast: true
              tasks:
                - {key: a, fn: "BODY:work", args: {x: 1}}
                - {key: b, fn: "BODY:work", args: {x: 2}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert "not yet" in project.steps["compute"]["error"]["message"]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["a"][0] == 1 and project.ctx["b"][1] != os.getpid()
