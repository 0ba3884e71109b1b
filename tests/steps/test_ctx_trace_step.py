"""ctx_trace_step: time and memory of blocks; the peak where they are nested and in threads."""

from __future__ import annotations

import json
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError
from step_library.observe import ctx_trace
from step_library.observe.ctx_trace_step import entries, export, run, summary, trace_step, trace_step_decorator
from tests.recipe.runs import Project

FIELDS = {"step", "start", "end", "duration", "mem_start", "mem_end", "mem_peak"}
MIB = 1 << 20


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def trace(ctx: Any) -> Any:
    return ctx.plain("trace") if isinstance(ctx, Context) else ctx["trace"]


def test_a_block(ctx: Any) -> None:
    """The first documented example, without its second of sleep, and the second."""
    with trace_step(ctx, "demo_step"):
        kept = list(range(10_000))
    (record,) = trace(ctx)
    assert set(record) == FIELDS | {"timestamp", "kind"} and (record["step"], record["kind"]) == ("demo_step", "step")
    assert all(isinstance(record[name], int) for name in FIELDS if name.startswith("mem"))
    assert record["mem_peak"] >= record["mem_end"] > record["mem_start"] + 50_000 and len(kept) == 10_000
    assert not tracemalloc.is_tracing()


def test_the_peak_of_nested_blocks(ctx: Any) -> None:
    with trace_step(ctx, "outer"):
        big = bytearray(8 * MIB)
        del big
        with trace_step(ctx, "small"):
            small = bytearray(MIB)
            del small
        with trace_step(ctx, "middle"):
            middle = bytearray(3 * MIB)
            del middle
        with trace_step(ctx, "nothing"):
            pass
    peaks = {record["step"]: (record["mem_peak"] - record["mem_start"]) / MIB for record in trace(ctx)}
    assert peaks == {"small": pytest.approx(1, abs=0.2), "middle": pytest.approx(3, abs=0.2),
                     "nothing": pytest.approx(0, abs=0.2), "outer": pytest.approx(8, abs=0.2)}
    assert not any("shared" in record for record in trace(ctx))


def test_blocks_in_threads_are_marked(ctx: Any) -> None:
    """The fifth documented example."""
    both = threading.Barrier(2, timeout=30)

    def work(name: str) -> None:
        with trace_step(ctx, "bg_job"):
            both.wait()
            with trace_step(ctx, name):
                both.wait()
            both.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with trace_step(ctx, "alone"):
        pass
    assert len(trace(ctx)) == 5 and [record.get("shared", False) for record in trace(ctx)] == [True] * 4 + [False]
    assert not tracemalloc.is_tracing()


def test_tracing_that_others_began_goes_on(ctx: Any) -> None:
    tracemalloc.start()
    try:
        with trace_step(ctx, "x"):
            pass
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    with trace_step(ctx, "y"):
        tracemalloc.stop()
    assert [record["step"] for record in trace(ctx)] == ["x", "y"]


def test_decorators(ctx: Any) -> None:
    """The third and fourth documented example, where no ctx exists yet."""
    @trace_step_decorator("transform_metrics", params=True, level="INFO")
    def my_step(ctx: Any, params: dict[str, Any]) -> int:
        return int(params["n"])

    @trace_step_decorator(ctx, "my_fancy_step", details=True)
    def other() -> int:
        return 2

    assert (my_step(ctx, {"n": 1}), other()) == (1, 2)
    first, second = trace(ctx)
    assert (first["params"], first["level"], second["status"]) == ({"n": 1}, "INFO", "success")


def test_it_fails(ctx: Any, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "trace.jsonl"
    with pytest.raises(ValueError, match="no luck"), trace_step(ctx, "bad", file=file, details=True, log=True):
        raise ValueError("no luck")
    (record,) = trace(ctx)
    assert (record["error"], record["status"]) == ("no luck", "error") and json.loads(file.read_text()) == record
    assert ctx["log"][0]["level"] == "ERROR" and not tracemalloc.is_tracing()
    ctx["trace"] = "text"
    with pytest.raises(ShapeError), trace_step(ctx, "x"):
        pass
    assert not tracemalloc.is_tracing()


def test_reading_it_beside_events(ctx: Any, tmp_path: Path) -> None:
    ctx_trace.run(ctx, {"step": "a", "info": "began"})
    for fails in (False, True):
        try:
            with trace_step(ctx, "a"):
                if fails:
                    raise ValueError("x")
        except ValueError:
            pass
    assert [("error" in each) for each in entries(ctx)] == [False, True]
    assert len(entries(ctx, status="error", step="a")) == 1 and entries(ctx, min_duration=1e6) == []
    assert summary(ctx)[0]["count"] == 2 and "mem_peak" in summary(ctx)[0]
    assert Path(export(ctx, tmp_path / "t.csv")).read_text().startswith("step,start,end,duration,mem_start,mem_end,")
    assert len(ctx_trace.entries(ctx, kind="step")) == 2 and len(ctx_trace.entries(ctx)) == 3


def test_as_a_step(ctx: Any) -> None:
    params = {"fn": lambda n: n + 1, "args": {"n": 1}, "step": "add", "keep_params": True}
    assert run(ctx, params) == {"step": "add", "result": 2}
    assert trace(ctx)[0]["params"] == {"n": 1}
    with pytest.raises(OctoError, match="'fn' is missing"):
        run(ctx, {})


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    """The last documented example: two steps without params."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.core.ctx_trace_step import trace_step
        def load_data(ctx):
            with trace_step(ctx, "load_data"):
                ctx["rows"] = [1]
        def clean_data(ctx):
            with trace_step(ctx, "clean_data"):
                if not Path("go").exists():
                    raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {idx: 1, name: load_data, module: BODY, function: load_data}
          - {idx: 2, name: clean_data, module: BODY, function: clean_data}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [(record["step"], record.get("error")) for record in project.ctx["trace"]] == [
        ("load_data", None), ("clean_data", "not yet"), ("clean_data", None)]


def test_in_parallel_steps_and_in_a_process_that_fails(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from step_library.observe.ctx_trace_step import trace_step
        def boom(ctx):
            with trace_step(ctx, "boom"):
                raise ValueError("no luck")
        def one(ctx, n):
            with trace_step(ctx, f"one {n}"):
                return n
    """)
    project.recipe("""
        steps:
          - {name: many, module: BODY, function: one, for_each: [1, 2, 3, 4], parallel: true, params: {n: "{{ item }}"}}
          - {name: boom, module: BODY, function: boom, requires_process: true}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.status() == {"many": "DONE", "boom": "FAILED"}, project.steps["many"]
    assert sorted((record["step"], record.get("error", "")) for record in project.ctx["trace"]) == [
        ("boom", "no luck"), ("one 1", ""), ("one 2", ""), ("one 3", ""), ("one 4", "")]
