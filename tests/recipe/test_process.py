"""Steps in worker processes: their changes, output, errors and ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from .runs import Project

BODIES = """
    import os, time
    from pathlib import Path
    class Odd(LookupError):
        pass
    def add(ctx, name="x"):
        ctx.append("ran", name)
        ctx[name] = os.getpid()
        print(f"said by {name}")
        return name
    def fail(ctx):
        ctx["gone"] = 1
        ctx.record("log", "kept")
        raise Odd("bad")
    def third(ctx):
        with open("tries.txt", "a") as file:
            print("try", file=file)
        ctx.increment("tries")
        if len(open("tries.txt").readlines()) < 3:
            raise Odd("not yet")
    def slow(ctx):
        time.sleep(60)
    def die(ctx):
        os._exit(9)
    def two(ctx):
        ctx["a"] = 1
        ctx["b"] = 2
    def where(ctx):
        return os.getcwd()
    def plain(a, b):
        return a + b
    def same(ctx, value):
        ctx["same"] = value
    def begin(ctx):
        ctx["rows"] = [{"x": 1}]
    def deep(ctx):
        ctx["rows"][0]["x"] = 2
        Path("begun").touch()
        until("cleared")
    def clear(ctx):
        until("begun")
        ctx["rows"].clear()
        Path("cleared").touch()
    def until(name):
        give_up = time.monotonic() + 60
        while not Path(name).exists() and time.monotonic() < give_up:
            time.sleep(0.01)
    def grow(ctx, n):
        ctx.increment("n", n)
        ctx.append("list", n)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


def test_changes_come_back_in_the_name_of_the_step(project: Project) -> None:
    import os

    project.recipe("""
        steps:
          - {name: first, module: BODY, function: add, params: {name: a}}
          - {name: b, module: BODY, function: add, params: {name: b}, requires_process: true}
          - {name: c, module: BODY, function: add, params: {name: c}, executor: process}
          - {name: d, module: BODY, function: plain, args: [1, 2], executor: process}
          - {name: e, module: BODY, function: where, executor: process}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    ctx = project.ctx
    assert ctx["ran"] == ["a", "b", "c"] and ctx["a"] == os.getpid() != ctx["b"] == ctx["c"]
    assert [entry["who"] for entry in project.edit().get_history("ran")] == ["first", "b", "c"]
    assert project.steps["d"]["result"] == 3 and project.steps["e"]["result"] == str(project.folder)
    assert "b: said by b" in project.log(result.run_id)
    assert not project.steps["b"]["usage"].get("shared") and project.steps["b"]["usage"]["rss"] > 0


def test_what_fails_has_its_usage_too(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: fail, executor: process}
          - {name: b, module: BODY, function: fail, parallel: true, allow_failure: true}
    """)
    project.run(keep_going=True)
    assert project.status() == {"a": "FAILED", "b": "FAILED"}
    assert all(project.steps[name]["usage"]["rss"] > 0 for name in "ab")


def test_changes_come_as_one_transaction(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: two, executor: process}\n")
    project.run()
    ctx = project.edit()
    assert ctx.get_history("a")[0]["timestamp"] == ctx.get_history("b")[0]["timestamp"]


def test_a_failed_body_leaves_only_its_records(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: fail, executor: process}\n")
    assert project.run().status == "COMPLETE_ERROR"
    error = project.steps["a"]["error"]
    assert (error["type"], error["message"]) == ("Odd", "bad") and "in fail" in error["traceback"]
    assert project.ctx == {"log": ["kept"]}


@pytest.mark.parametrize(("exceptions", "status"), [
    ("Odd", "DONE"), ("[LookupError]", "DONE"), ("[ValueError]", "FAILED")])
def test_retries_know_the_types_of_exceptions(project: Project, exceptions: str, status: str) -> None:
    project.recipe(f"""
        steps:
          - {{name: a, module: BODY, function: third, executor: process,
              retry: {{attempts: 3, exceptions: {exceptions}}}}}
    """)
    project.run()
    assert project.steps["a"]["status"] == status
    assert project.ctx.get("tries", 0) == (1 if status == "DONE" else 0)


def test_a_time_out_ends_the_worker_and_the_next_step_has_another(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: slow, executor: process, timeout: 0.3, allow_failure: true}
          - {name: b, module: BODY, function: add, executor: process}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["a"]["error"]["type"] == "StepTimeout" and project.status()["b"] == "DONE"


def test_a_worker_that_dies_fails_its_step(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: die, executor: process, allow_failure: true}
          - {name: b, module: BODY, function: add, executor: process}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.status() == {"a": "FAILED", "b": "DONE"}


def test_parallel_processes_merge(project: Project) -> None:
    project.recipe("""
        defaults: {parallel: true, executor: process}
        steps:
          - {name: a, module: BODY, function: grow, params: {n: 1}}
          - {name: b, module: BODY, function: grow, params: {n: 10}}
          - {name: c, module: BODY, function: grow, params: {n: 100}, executor: thread}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["n"] == 111 and sorted(project.ctx["list"]) == [1, 10, 100]


@pytest.mark.parametrize("executor", ["process", "thread"])
def test_and_clash(project: Project, executor: str) -> None:
    project.recipe(f"""
        defaults: {{parallel: true}}
        steps:
          - {{name: a, module: BODY, function: same, params: {{value: 1}}, executor: {executor}}}
          - {{name: b, module: BODY, function: same, params: {{value: 1}}, executor: process}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_ERROR" and result.error is not None
    assert result.error["type"] == "CtxClash"
    assert all(word in result.error["message"] for word in ("a", "b", "same"))
    assert sorted(project.status().values()) == ["DONE", "FAILED"] and project.ctx["same"] == 1


@pytest.mark.parametrize(("rule", "value"), [("first", 1), ("last", 2)])
def test_on_conflict_decides_by_the_order_of_the_steps(project: Project, rule: str, value: int) -> None:
    project.recipe(f"""
        on_conflict: {rule}
        defaults: {{parallel: true}}
        steps:
          - {{name: a, module: BODY, function: same, params: {{value: 1}}, executor: process}}
          - {{name: b, module: BODY, function: same, params: {{value: 2}}}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["same"] == value


def test_what_fits_no_more_is_a_clash_with_who_changed_it(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: begin, module: BODY, function: begin}
          - {name: deep, module: BODY, function: deep, executor: process, parallel: true, retry: 3}
          - {name: clear, module: BODY, function: clear, parallel: true}
    """)
    result = project.run()
    assert result.status == "COMPLETE_ERROR"
    error = project.steps["deep"]["error"]
    assert error["type"] == "CtxClash" and project.steps["deep"]["attempt"] == 1
    assert "clear and deep" in error["message"] and "rows/0" in error["message"]
    assert project.ctx["rows"] == []
