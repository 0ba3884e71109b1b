"""ctx_profiler: time and memory of blocks."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError
from step_library.observe.ctx_profiler import export, profile_ctx, profile_ctx_decorator, run, summary
from tests.recipe.runs import Project

FIELDS = ["step", "start", "end", "duration", "mem_start", "mem_end", "mem_delta"]


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def profile(ctx: Any) -> Any:
    return ctx.plain("profile") if isinstance(ctx, Context) else ctx["profile"]


def test_a_block_inside_a_step(ctx: Any) -> None:
    """The first and second documented example."""
    def my_run(ctx: Any, params: dict[str, Any]) -> dict[str, str]:
        with profile_ctx(ctx, "my_heavy_step"):
            ctx["some_result"] = [x * x for x in range(100000)]
        return {"status": "done"}

    assert my_run(ctx, {}) == {"status": "done"} and ctx["some_result"][99999] == 99999**2
    (record,) = profile(ctx)
    assert list(record) == FIELDS and record["step"] == "my_heavy_step"
    assert record["mem_delta"] == record["mem_end"] - record["mem_start"] > 1_000_000
    assert [type(record[name]) for name in FIELDS[1:]] == [float] * 3 + [int] * 3
    assert record["duration"] == pytest.approx(record["end"] - record["start"], abs=0.05)
    assert not tracemalloc.is_tracing()


def test_three_blocks(ctx: Any) -> None:
    """The fourth documented example."""
    for name in ("load_data", "compute_stats", "save_results"):
        with profile_ctx(ctx, name):
            pass
    assert [record["step"] for record in profile(ctx)] == ["load_data", "compute_stats", "save_results"]


def test_from_a_callback(ctx: Any) -> None:
    """The third documented example: a callback in a thread of its own."""
    def update() -> None:
        with profile_ctx(ctx, "dash_update"):
            pass

    thread = threading.Thread(target=update)
    thread.start()
    thread.join()
    assert [list(record) for record in profile(ctx)] == [FIELDS]


def test_more_of_it(ctx: Any) -> None:
    with profile_ctx(ctx, "outer", tags=["a"], meta={"n": {1}}, details=True) as more:
        more["rows"] = 3
        with profile_ctx(ctx, "inner", details=True, keep=10):
            kept = bytearray(1 << 20)
    inner, outer = profile(ctx)
    assert (outer["tags"], outer["meta"], outer["rows"], inner["parent"]) == (["a"], {"n": [1]}, 3, "outer")
    for each in (outer, inner):  # something else may have gone meanwhile
        assert each["mem_delta"] > len(kept) / 2
    assert outer["threads"] >= 1
    assert outer["cpu_process"] >= 0 and "shared" not in outer and "shared" not in inner


def test_it_fails(ctx: Any) -> None:
    with pytest.raises(ValueError, match="no luck"), profile_ctx(ctx, "bad"):
        raise ValueError("no luck")
    assert list(profile(ctx)[0]) == [*FIELDS, "error"] and not tracemalloc.is_tracing()
    ctx["profile"] = 3
    with pytest.raises(ShapeError, match="not int 3"), profile_ctx(ctx, "x"):
        pass


def test_switched_off(ctx: Any) -> None:
    ctx["enable_profile"] = False
    with profile_ctx(ctx, "x") as more:
        more["n"] = 1
    assert "profile" not in ctx
    ctx["enable_profile"] = True
    with profile_ctx(ctx, "x"):
        pass
    assert len(profile(ctx)) == 1


def test_decorators_and_as_a_step(ctx: Any) -> None:
    @profile_ctx_decorator("one")
    def one(ctx: Any, params: dict[str, Any]) -> int:
        return 1

    @profile_ctx_decorator(ctx, "two")
    def two() -> int:
        return 2

    assert (one(ctx, {}), two()) == (1, 2)
    assert run(ctx, {"fn": two, "step": "three", "tags": ["t"]}) == {"step": "three", "result": 2}
    assert [record["step"] for record in profile(ctx)] == ["one", "two", "two", "three"]
    with pytest.raises(OctoError, match="'fn' is missing"):
        run(ctx, {})


def test_sums_and_files(ctx: Any, tmp_path: Path) -> None:
    assert summary(ctx) == []
    for name in ("a", "b", "a"):
        with profile_ctx(ctx, name):
            pass
    rows = {row["step"]: row for row in summary(ctx)}
    assert rows["a"]["count"] == 2 and "mem_delta" in rows["a"] and "mem_peak" not in rows["a"]
    assert Path(export(ctx, tmp_path / "p.csv")).read_text().splitlines()[0] == ",".join(FIELDS)


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.core import ctx_profiler
        def load(ctx):
            with ctx_profiler.profile_ctx(ctx, "load"):
                if not Path("go").exists():
                    raise ValueError("not yet")
    """)
    project.recipe("""
        ctx: {rows: [[1], [2]]}
        steps:
          - {name: stats, function: ctx_profiler, params: {fn: ctx_filter, args: {pattern: rows}}}
          - {name: load, module: BODY, function: load}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [record["step"] for record in project.ctx["profile"]] == ["ctx_filter", "load", "load"]
    assert project.ctx["filtered_keys"] == ["rows"]
