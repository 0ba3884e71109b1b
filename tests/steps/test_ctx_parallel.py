"""ctx_parallel: functions that run at the same time, in threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, StepFailed
from octo.executors.jobs import current_job, default_pool
from step_library.control import ctx_parallel
from step_library.control.ctx_parallel import run
from tests.recipe.runs import Project

LONG = 30.0


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="par")


def task(key: str, fn: Any, **args: Any) -> dict[str, Any]:
    return {"key": key, "fn": fn, "args": args}


def fail(text: str = "no luck") -> None:
    raise ValueError(text)


def test_the_documented_tasks(ctx: Any) -> None:
    """The basic pattern of the document, its second, third and fifth example: values passed by args, own errors."""
    tasks = [task("result1", lambda x: x * x, x=5), task("result2", lambda y: y + 10, y=7)]
    assert run(ctx, {"tasks": tasks}) is None
    assert dict(ctx) == {"result1": 25, "result2": 17}

    def flatten(data: list[list[int]]) -> list[int]:
        return [each for row in data for each in row]

    def normalize(data: list[float]) -> list[float]:
        return [each / max(data) for each in data]

    run(ctx, {"tasks": [task("flat_a", flatten, data=[[1], [2, 3]]), task("norm_b", normalize, data=[1, 2])]})
    assert (ctx["flat_a"], ctx["norm_b"]) == ([1, 2, 3], [0.5, 1.0])

    def safe_fetch(url: str) -> dict[str, Any]:
        return {"data": url} if "a" in url else {"error": "down"}

    run(ctx, {"tasks": [task("alpha", safe_fetch, url="https://a/"), task("beta", safe_fetch, url="https://b/")]})
    assert (ctx["alpha"], ctx["beta"]) == ({"data": "https://a/"}, {"error": "down"})
    run(ctx, {"tasks": [task("local_stats", lambda data: sum(data), data=ctx["flat_a"])]})
    assert ctx["local_stats"] == 6


def test_all_run_at_once(ctx: Any) -> None:
    """More than the pool has threads; each waits for all the others."""
    together = threading.Barrier(40, timeout=LONG)

    def work() -> int:
        together.wait()
        return 1

    run(ctx, {"tasks": [task(f"k{number}", work) for number in range(40)]})
    assert [ctx[f"k{number}"] for number in range(40)] == [1] * 40


def test_no_more_than_max_workers(ctx: Any) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def work() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.005)
        with lock:
            now[0] -= 1

    run(ctx, {"tasks": [task(f"k{number}", work) for number in range(12)], "max_workers": 3})
    assert 1 <= most[0] <= 3


def test_a_task_that_fails(ctx: Any) -> None:
    tasks = [task("bad", fail), task("odd", lambda: {1}), task("good", lambda: (1, 2))]
    run(ctx, {"tasks": tasks, "log": True, "emit": True, "stats": "how"})
    assert ctx["bad"]["error"] == "no luck" and ctx["bad"]["traceback"].startswith("Traceback (most recent call last)")
    assert "no JSON value but set" in ctx["odd"]["error"] and ctx["good"] == [1, 2]
    assert [(row["key"], row["status"]) for row in ctx["how"]] == [("bad", "error"), ("odd", "error"), ("good", "done")]
    assert sorted(entry["level"] for entry in ctx["log"]) == ["ERROR", "ERROR", "INFO"]
    assert sorted(entry["event"] for entry in ctx["events"]) == ["task_done", "task_error", "task_error"]
    with pytest.raises(StepFailed, match=r"2 of the tasks failed \(bad, odd\); bad: no luck") as caught:
        run(ctx, {"tasks": tasks, "raise_errors": True})
    assert isinstance(caught.value.__cause__, ValueError) and ctx["good"] == [1, 2]


def test_fail_fast(ctx: Any) -> None:
    began, ended = threading.Event(), threading.Event()

    def waits() -> None:
        began.set()
        job = current_job()
        assert job is not None and job.stop.wait(LONG)
        ended.set()

    def bad() -> None:
        assert began.wait(LONG)
        fail()

    tasks = [task("waits", waits), task("bad", bad), task("later", lambda: 1)]
    with pytest.raises(StepFailed, match="bad: no luck"):
        run(ctx, {"tasks": tasks, "fail_fast": True})
    assert ended.wait(LONG) and dict(ctx) == {}


def test_tasks_that_take_too_long(ctx: Any) -> None:
    go, ended = threading.Event(), threading.Event()

    def hangs(ctx: Any) -> str:
        job = current_job()
        assert job is not None and job.stop.wait(LONG) and go.wait(LONG)
        try:
            ctx["late"] = 1
        finally:
            ended.set()
        return "late"

    run(ctx, {"tasks": [{**task("slow", hangs), "timeout": 0.05}, task("good", lambda: 1)]})
    assert "took longer than its time-out of 0.05 s" in ctx["slow"]["error"] and ctx["good"] == 1
    go.set()
    assert ended.wait(LONG) and ("late" in ctx) == (not isinstance(ctx, Context))
    run(ctx, {"tasks": [task("a", threading.Event().wait), task("b", lambda: 2)], "total_timeout": 0.05})
    assert "all tasks together took longer than 0.05 s" in ctx["a"]["error"] and ctx["b"] == 2


def test_all_results_at_one_place(ctx: Any) -> None:
    tasks = [task("a", lambda: 1), task("b", lambda: 2)]
    run(ctx, {"tasks": tasks, "out": "all"})
    assert dict(ctx) == {"all": {"a": 1, "b": 2}}
    run(ctx, {"tasks": tasks, "out": "sum", "reducer": lambda results: sum(results.values())})
    assert ctx["sum"] == 3 and "a" not in ctx


def test_steps_and_coroutines(ctx: Any) -> None:
    async def later(x: int) -> int:
        return x

    ctx["rows"] = [1, 2]
    run(ctx, {"tasks": [task("found", "ctx_filter", type="list"), task("x", later, x=3), task("n", "math:sqrt", x=4)]})
    assert (ctx["found"], ctx["x"], ctx["n"]) == ({"filtered": "filtered_keys"}, 3, 2)
    assert ctx["filtered_keys"] == ["rows"]


def test_nothing_to_do_and_much(ctx: Any) -> None:
    run(ctx, {"tasks": []})
    assert dict(ctx) == {}
    run(ctx, {"tasks": [task(f"k{n}", abs, x=-n) for n in range(300)], "max_workers": 8, "out": "all"})
    assert len(ctx["all"]) == 300 and not any(job.id.startswith("k") for job in default_pool().jobs())


def test_a_stopped_run() -> None:
    ctx = Context()
    ctx.stop.set()
    with pytest.raises(StepFailed, match="asked to stop"):
        run(ctx, {"tasks": [task("a", threading.Event().wait)]})
    assert dict(ctx) == {}


@pytest.mark.parametrize(("params", "error", "words"), [
    ({}, KeyError, "parameter 'tasks' is missing"),
    ({"tasks": [1]}, ValueError, "parameter 'tasks'"),
    ({"tasks": [{"fn": len}]}, ValueError, "tasks[0]: parameter 'key' is missing"),
    ({"tasks": [{"key": "a"}]}, ValueError, "tasks[0] (a): parameter 'fn' is missing"),
    ({"tasks": [{"key": "a", "fn": "fetch_api_data"}]}, ValueError, "there is no step and no module 'fetch_api_data'"),
    ({"tasks": [{"key": "a", "fn": len, "arg": {}}]}, ValueError, "unknown parameter 'arg'; did you mean args?"),
    ({"tasks": [{"key": "a", "fn": len, "args": [1]}]}, ValueError, "parameter 'args' is to be dict"),
    ({"tasks": [{"key": "a", "fn": fail, "args": {"txt": 1}}]}, ValueError, "unknown parameter 'txt'"),
    ({"tasks": [{"key": "a", "fn": fail}] * 2}, ValueError, "tasks[1] (a): another one has this key already"),
    ({"tasks": [{"key": "a", "fn": fail, "timeout": 0}]}, ValueError, "timeout is more than 0 seconds"),
    ({"tasks": [], "max_workers": 0}, ValueError, "max_workers is 1 or more"),
    ({"tasks": [], "total_timeout": 0}, ValueError, "total_timeout is more than 0"),
    ({"tasks": [], "reducer": len}, ValueError, "reducer needs out"),
    ({"tasks": [], "emit": True}, ShapeError, "ctx['events'] is to be a list"),
])
def test_mistakes(params: dict[str, Any], error: type[Exception], words: str) -> None:
    ctx = {"events": "text"}
    with pytest.raises(error) as caught:
        ctx_parallel.run(ctx, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == {"events": "text"}


def test_in_a_recipe(tmp_path: Path) -> None:
    """The documented recipe steps, their functions in a module; a step that fails is made again by a resume."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def fetch_api_data(endpoint):
            return [endpoint]
        def compute_stats(dataset):
            if not Path("go").exists():
                raise ValueError("not yet")
            return len(dataset)
        def download_file(url, out):
            Path(out).write_text(url)
            return out
    """)
    project.recipe("""
        steps:
          - name: run_parallel_tasks
            type: python
            module: scriptlets.python.core.ctx_parallel
            function: run
            params:
              tasks:
                - {key: fetch_data, fn: "BODY:fetch_api_data", args: {endpoint: "https://..."}}
                - {key: download_csv, fn: BODY.download_file, args: {url: "https://e.com", out: got.csv}}
          - idx: 4
            name: parallel_data_processing
            type: python
            module: scriptlets.python.core.ctx_parallel
            function: run
            params:
              raise_errors: true
              tasks:
                - {key: compute_stats, fn: "BODY:compute_stats", args: {dataset: my_data}}
                - {key: found, fn: ctx_filter, args: {type: list}}
    """.replace("idx: 4\n            ", ""))
    assert project.run().status == "COMPLETE_ERROR"
    assert project.ctx["fetch_data"] == ["https://..."] and "found" not in project.ctx
    assert project.ctx["jobs"]["parallel:compute_stats"]["status"] == "error"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["compute_stats"] == 7 and project.ctx["filtered_keys"] == ["fetch_data"]
    assert project.ctx["jobs"]["parallel:fetch_data"]["status"] == "done"
    assert "parallel_data_processing" in Context.open(project.instance).get_history("filtered_keys")[-1]["who"]
