"""ctx_step_timer: how long blocks take. What all measured blocks share is tested here."""

from __future__ import annotations

import asyncio
import csv
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from step_library.kit.records import records
from step_library.observe.ctx_step_timer import export, run, step_timer, step_timer_decorator, summary
from tests.recipe.runs import Project

FIELDS = ["step", "start", "end", "duration"]


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def times(ctx: Any) -> Any:
    return ctx.plain("step_times") if isinstance(ctx, Context) else ctx["step_times"]


def test_a_block(ctx: Any) -> None:
    """The first and second documented example."""
    with step_timer(ctx, "data_loading"):
        ctx["squared_data"] = [i**2 for i in range(10000)]
    (record,) = times(ctx)
    assert list(record) == FIELDS and record["step"] == "data_loading" and len(ctx["squared_data"]) == 10000
    assert record["duration"] > 0 and record["duration"] == pytest.approx(record["end"] - record["start"], abs=0.05)
    if isinstance(ctx, Context):
        assert ctx.get_history("step_times")[-1]["who"] == "load"


def test_two_blocks(ctx: Any) -> None:
    """The third documented example."""
    with step_timer(ctx, "load_part1"):
        ctx["p1"] = sum(range(50000))
    with step_timer(ctx, "load_part2"):
        ctx["p2"] = max(range(60000))
    assert [record["step"] for record in times(ctx)] == ["load_part1", "load_part2"]
    assert (ctx["p1"], ctx["p2"]) == (1249975000, 59999)


def test_a_block_that_raises(ctx: Any) -> None:
    """The fourth documented example."""
    try:
        with step_timer(ctx, "unstable_step"):
            raise ValueError("no luck")
    except ValueError as error:
        ctx["error"] = str(error)
    assert (times(ctx)[0]["step"], times(ctx)[0]["error"], ctx["error"]) == ("unstable_step", "no luck", "no luck")


def test_more_of_it(ctx: Any) -> None:
    with step_timer(ctx, "outer", details=True, log=True) as more:
        more["rows"] = {1, 2}
        with pytest.raises(KeyError), step_timer(ctx, "inner", details=True, log=True, keep=5):
            raise KeyError("x")
    inner, outer = times(ctx)
    assert (inner["status"], inner["parent"], inner["path"], inner["depth"]) == ("error", "outer", "outer/inner", 1)
    assert "KeyError: 'x'" in inner["traceback"] and outer["parent"] is None and outer["status"] == "ok"
    assert outer["rows"] == [1, 2] and outer["cpu"] >= 0 and outer["thread"] == threading.current_thread().name
    assert [(line["level"], line["step"]) for line in ctx["log"]] == [("ERROR", "inner"), ("INFO", "outer")]


def test_decorators_where_no_ctx_exists_yet(ctx: Any) -> None:
    @step_timer_decorator("one")
    def one(ctx: Any, params: dict[str, Any]) -> int:
        """Its text."""
        return int(params["n"]) + 1

    @step_timer("two")
    async def two(params: int, *, context: Any) -> int:
        return params

    class Three:
        def __init__(self) -> None:
            self.ctx = ctx

        @step_timer_decorator(step_name="three")
        def run(self) -> int:
            return 3

    assert (one(ctx, {"n": 1}), asyncio.run(two(2, context=ctx)), Three().run()) == (2, 2, 3)  # type: ignore[arg-type]
    assert (one.__name__, one.__doc__) == ("one", "Its text.")
    assert [record["step"] for record in times(ctx)] == ["one", "two", "three"]


def test_a_decorator_with_ctx(ctx: Any) -> None:
    @step_timer_decorator(ctx, "four")
    def four(data: dict[str, Any]) -> int:
        return len(data)

    @step_timer_decorator(ctx, "five")
    def five(ctx: Any) -> None:
        pass

    other: dict[str, Any] = {}
    five(other)
    assert four({"a": 1}) == 1 and [record["step"] for record in times(ctx)] == ["four"]
    assert [record["step"] for record in other["step_times"]] == ["five"]


def test_async_blocks_side_by_side(ctx: Any) -> None:
    async def one(name: str) -> None:
        async with step_timer(ctx, name, details=True):
            await asyncio.sleep(0.01)

    async def both() -> None:
        async with step_timer(ctx, "both", details=True):
            await asyncio.gather(one("a"), one("b"))

    asyncio.run(both())
    assert {record["path"] for record in times(ctx)} == {"both/a", "both/b", "both"}


def test_one_block_in_several_threads(ctx: Any) -> None:
    @step_timer("work")
    def work(ctx: Any) -> None:
        pass

    threads = [threading.Thread(target=lambda: [work(ctx) for _ in range(20)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times(ctx)) == 120


def test_mistakes(ctx: Any) -> None:
    for given in ((ctx,), (ctx, 3), (ctx, ""), (3, "x"), ("a", "b"), ()):
        with pytest.raises(UsageError):
            step_timer(*given)
    with pytest.raises(UsageError, match="give it ctx"), step_timer("x"):
        pass
    with pytest.raises(UsageError, match="the call has no ctx"):
        step_timer("x")(lambda: 1)()
    assert "step_times" not in ctx
    ctx["step_times"] = "text"
    ran = []
    with pytest.raises(ShapeError, match=r"ctx\['step_times'\] is to be a list of entries"), step_timer(ctx, "x"):
        ran.append(1)
    for options, there in (({"keep": 0}, {}), ({"log": True}, {"log": "text"})):
        with pytest.raises(OctoError), step_timer(dict(there), "x", **options):  # type: ignore[arg-type]
            ran.append(1)
    assert not ran


def test_the_error_of_the_block_is_never_hidden() -> None:
    ctx: dict[str, Any] = {}
    with pytest.raises(ValueError, match="mine"), step_timer(ctx, "x"):
        ctx["step_times"] = "spoilt meanwhile"
        raise ValueError("mine")


def test_as_a_step(ctx: Any) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    assert run(ctx, {"fn": add, "args": {"a": 1, "b": 2}}) == {"step": "add", "result": 3}
    ctx["rows"] = [[1, 2]]
    assert run(ctx, {"fn": "ctx_filter", "args": {"pattern": "rows"}, "details": True})["step"] == "ctx_filter"
    assert list(ctx["filtered_keys"]) == ["rows"] and times(ctx)[1]["status"] == "ok"
    with pytest.raises(ZeroDivisionError):
        run(ctx, {"fn": lambda: 1 / 0, "step": "bad"})
    assert times(ctx)[2]["error"] == "division by zero"
    for params in ({}, {"fn": "no_such:thing"}, {"fn": add, "args": [1]}, {"fn": add, "nme": "x"}):
        with pytest.raises(OctoError):
            run(ctx, params)


def test_sums_and_files(ctx: Any, tmp_path: Path) -> None:
    assert summary(ctx) == [] and Path(export(ctx, tmp_path / "e.json")).read_text() == "[]\n"
    ctx["step_times"] = [{"step": "a", "duration": 1.0}, {"step": "b", "duration": 5}, {"step": "a", "duration": 3.0,
                         "error": "x"}, "odd", {"step": "c"}]
    assert summary(ctx)[0]["step"] == "b"
    assert summary(ctx)[1] == {"step": "a", "count": 2, "total": 4.0, "mean": 2.0, "min": 1.0, "max": 3.0, "errors": 1}
    assert records.sums([{"key": "k", "duration": 1, "mem_delta": 2, "mem_peak": 9}])[0]["mem_peak"] == 9
    ctx["step_times"] = ctx["step_times"][:3]
    rows = list(csv.DictReader(Path(export(ctx, tmp_path / "t.csv")).open()))
    assert list(rows[0])[:4] == FIELDS and [row["step"] for row in rows] == ["a", "b", "a"]


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.steps.ctx_step_timer import step_timer, step_timer_decorator
        @step_timer_decorator("load")
        def load(ctx, params):
            with step_timer(ctx, "inner"):
                if not Path("go").exists():
                    raise ValueError("not yet")
        def add(a, b):
            return a + b
    """)
    project.recipe("""
        steps:
          - {name: sum, function: ctx_step_timer, params: {fn: "BODY:add", args: {a: 1, b: 2}}}
          - {name: load, module: BODY, function: load}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.steps["sum"]["result"] == {"step": "add", "result": 3}
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [(each["step"], "error" in each) for each in project.ctx["step_times"]] == [
        ("add", False), ("inner", True), ("load", True), ("inner", False), ("load", False)]


def test_one_block_in_several_threads_and_tasks_at_once() -> None:
    ctx: dict[str, Any] = {}
    block = step_timer(ctx, "both")
    turns = [threading.Event() for _ in range(3)]

    def outer() -> None:
        with block as more:
            more["who"] = "outer"
            turns[0].set()
            assert turns[1].wait(30)
        turns[2].set()

    def inner() -> None:
        assert turns[0].wait(30)
        with block as more:  # begins after the other and ends after it
            more["who"] = "inner"
            turns[1].set()
            assert turns[2].wait(30)

    threads = [threading.Thread(target=each) for each in (outer, inner)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    first, second = ctx["step_times"]
    assert (first["who"], second["who"]) == ("outer", "inner") and first["start"] <= second["start"]

    async def task(name: str, mine: asyncio.Event, other: asyncio.Event) -> None:
        async with block as more:
            more["who"] = name
            mine.set()
            await other.wait()

    async def both() -> None:
        one, two = asyncio.Event(), asyncio.Event()
        await asyncio.gather(task("one", one, two), task("two", two, one))

    asyncio.run(both())
    assert {entry["who"] for entry in ctx["step_times"][2:]} == {"one", "two"}


def test_a_block_may_end_in_another_thread_than_it_began_in() -> None:
    ctx: dict[str, Any] = {}
    block = step_timer(ctx, "handed over")
    block.__enter__()
    thread = threading.Thread(target=block.__exit__, args=(None, None, None))
    thread.start()
    thread.join(60)
    assert [entry["step"] for entry in ctx["step_times"]] == ["handed over"]
