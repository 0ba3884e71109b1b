"""ctx_resource_monitor: CPU and resident memory of blocks."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from step_library.observe.ctx_resource_monitor import (
    export,
    resource_monitor,
    resource_monitor_decorator,
    run,
    summary,
)
from tests.recipe.runs import Project

FIELDS = {"step", "start", "end", "duration", "cpu_start", "cpu_end", "mem_start", "mem_end"}
MIB = 1 << 20


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def resources(ctx: Any) -> Any:
    return ctx.plain("resources") if isinstance(ctx, Context) else ctx["resources"]


def test_a_block(ctx: Any) -> None:
    """The first and second documented example, with fewer turns: the step returns its record."""
    def my_run(ctx: Any, params: dict[str, Any]) -> Any:
        with resource_monitor(ctx, "step1"):
            for _ in range(10**5):
                pass
        return ctx["resources"][-1]

    record = my_run(ctx, {})
    assert set(record) == FIELDS | {"status", "mem_delta"} and record["step"] == "step1"
    assert record["duration"] == pytest.approx(record["end"] - record["start"], abs=0.05)
    assert record["mem_delta"] == record["mem_end"] - record["mem_start"] and record["mem_start"] > MIB
    assert isinstance(record["cpu_start"], float) and record["cpu_end"] > 0 and record["status"] == "ok"


def test_what_a_block_makes_and_rows_for_a_table(ctx: Any) -> None:
    """The third and sixth documented example."""
    ctx["raw_data"] = ["a", ""]
    with resource_monitor(ctx, "data_cleaning"):
        ctx["cleaned_data"] = [row for row in ctx["raw_data"] if row]
    with resource_monitor(ctx, "again"):
        pass
    first, second = resources(ctx)
    assert list(ctx["cleaned_data"]) == ["a"] and set(first) == set(second)
    assert all(not isinstance(value, (dict, list)) for value in first.values())


def test_the_peak_and_the_disk(ctx: Any, tmp_path: Path) -> None:
    with resource_monitor(ctx, "peak", peak=True, disk=True, details=True):
        big = bytearray(64 * MIB)
        big[::4096] = b"x" * len(big[::4096])
        with resource_monitor(ctx, "inner", details=True):
            (tmp_path / "f").write_bytes(b"x" * 1000)
        del big
    inner, record = resources(ctx)
    assert record["mem_peak"] >= inner["mem_start"] >= record["mem_start"] + 50 * MIB
    assert record["disk_delta"] == record["disk_end"] - record["disk_start"] and inner["path"] == "peak/inner"
    assert record.get("write_bytes", 0) >= 0


def test_processes_below_count_if_asked_for(ctx: Any) -> None:
    code = "x = bytearray(40 << 20); x[::4096] = b'x' * len(x[::4096]); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"1\n"
        with resource_monitor(ctx, "with", children=True, peak=True):
            pass
        with resource_monitor(ctx, "without"):
            pass
        child.communicate(b"\n", timeout=30)
    with_children, without = resources(ctx)
    assert with_children["mem_end"] > without["mem_start"] + 30 * MIB <= with_children["mem_peak"]


def test_limits_log_and_audit(ctx: Any) -> None:
    with resource_monitor(ctx, "much", limits={"mem_end": 1, "duration": 1000, "mem_peak": 1}, log=True, audit=True):
        pass
    (event,) = ctx["events"]
    assert (event["event"], event["source"]) == ("resource_limit", "much")
    assert set(event["payload"]["over"]) == {"mem_end", "mem_peak"} and event["payload"]["limits"]["duration"] == 1000
    assert (ctx["log"][0]["step"], ctx["audit"][0]["status"], ctx["audit"][0]["params"]) == ("much", "success", {})
    for limits in ({"mem": 1}, {"mem_end": "1 GiB"}):
        with pytest.raises(UsageError, match="^limits: "):
            resource_monitor(ctx, "x", limits=limits)  # type: ignore[arg-type]


def test_it_fails(ctx: Any) -> None:
    with pytest.raises(ValueError, match="no luck"), resource_monitor(ctx, "bad", peak=True):
        raise ValueError("no luck")
    assert (resources(ctx)[0]["status"], resources(ctx)[0]["error"]) == ("error", "no luck")
    ctx["audit"] = "text"
    with pytest.raises(ShapeError, match="ctx\\['audit'\\]"), resource_monitor(ctx, "x", audit=True):
        pass
    ctx["resources"] = {}
    with pytest.raises(ShapeError, match="not a dict of 0"), resource_monitor(ctx, "x"):
        pass


def test_blocks_in_threads_are_marked(ctx: Any) -> None:
    with resource_monitor(ctx, "outer"):
        def other() -> None:
            with resource_monitor(ctx, "other"):
                pass

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    with resource_monitor(ctx, "alone"), resource_monitor(ctx, "nested"):
        pass
    marked = {record["step"]: record.get("shared", False) for record in resources(ctx)}
    assert marked == {"outer": True, "other": True, "alone": False, "nested": False}


def test_decorators_and_as_a_step(ctx: Any) -> None:
    """The seventh documented example: in front of a function without arguments."""
    @resource_monitor_decorator(ctx, "step_name")
    def nothing() -> int:
        return 1

    @resource_monitor_decorator("two")
    def two(ctx: Any, params: dict[str, Any]) -> int:
        return 2

    assert (nothing(), two(ctx, {})) == (1, 2)
    assert run(ctx, {"fn": lambda: 3, "step": "three", "keep": 2}) == {"step": "three", "result": 3}
    assert [record["step"] for record in resources(ctx)] == ["two", "three"]
    for params in ({}, {"fn": nothing, "limits": {"x": 1}}, {"fn": nothing, "peek": True}):
        with pytest.raises(OctoError):
            run(ctx, params)


def test_sums_and_files(ctx: Any, tmp_path: Path) -> None:
    assert summary(ctx) == []
    for name in "aab":
        with resource_monitor(ctx, name):
            pass
    assert {row["step"]: row["count"] for row in summary(ctx)} == {"a": 2, "b": 1}
    lines = Path(export(ctx, tmp_path / "r.csv")).read_text().splitlines()
    assert lines[0].startswith("step,start,end,duration,cpu_start,cpu_end,mem_start,mem_end") and len(lines) == 4


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    """The fourth and fifth documented example."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.core.ctx_resource_monitor import resource_monitor
        def run(ctx, params):
            with resource_monitor(ctx, params["step"]):
                if params["step"] == "analyze" and not Path("go").exists():
                    raise ValueError("not yet")
        def free():
            return 1
    """)
    project.recipe("""
        steps:
          - {name: preprocess, module: BODY, function: run, params: {step: preprocess}}
          - {name: alone, function: ctx_resource_monitor, params: {fn: "BODY:free", peak: true}}
          - {name: analyze_performance, module: BODY, function: run, params: {step: analyze}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [(record["step"], record["status"]) for record in project.ctx["resources"]] == [
        ("preprocess", "ok"), ("free", "ok"), ("analyze", "error"), ("analyze", "ok")]
