"""ctx_error_handler: what blocks and functions raise stands in ctx["errors"]."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from scriptlets.python.core.ctx_error_handler import error_handler as documented

from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from step_library.control.ctx_error_handler import TooManyErrors, entries, error_handler, export, run
from step_library.observe.ctx_step_timer import step_timer
from step_library.state import ctx_rollback
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def fail(text: str = "no luck") -> None:
    raise ValueError(text)


def test_the_documented_block(ctx: Any) -> None:
    """The first documented example."""
    assert documented is error_handler
    with pytest.raises(ZeroDivisionError), error_handler(ctx, "simple_math"):
        ctx["result"] = 1 / 0
    (entry,) = ctx["errors"]
    assert list(entry) == ["step", "timestamp", "error", "traceback"] and "result" not in ctx
    assert (entry["step"], entry["error"]) == ("simple_math", "division by zero")
    assert entry["traceback"].startswith("Traceback (most recent call last):\n")
    if isinstance(ctx, Context):
        assert ctx.get_history("errors")[-1]["who"] == "load"


def test_a_missing_file(ctx: Any, tmp_path: Path) -> None:
    """The second documented example."""
    @error_handler("data_ingestion")
    def ingest(ctx: Any, params: dict[str, Any]) -> None:
        ctx["raw_data"] = Path(params["input_path"]).read_text()

    with pytest.raises(FileNotFoundError):
        ingest(ctx, {"input_path": str(tmp_path / "missing.txt")})
    assert ctx["errors"][0]["step"] == "data_ingestion" and "raw_data" not in ctx


def test_blocks_that_go_on(ctx: Any) -> None:
    """The third, fourth and fifth documented example: optional, all sources, nested."""
    with error_handler(ctx, "optional_fetch", re_raise=False):
        fail()
    for source in "ab":
        with error_handler(ctx, f"fetch_{source}", re_raise=False):
            fail(source)
    with error_handler(ctx, "batch_processing"):
        for i in range(10):
            with error_handler(ctx, f"item_{i}", re_raise=False):
                if i % 2:
                    fail()
    assert [entry["step"] for entry in ctx["errors"]] == [
        "optional_fetch", "fetch_a", "fetch_b", *(f"item_{i}" for i in (1, 3, 5, 7, 9))]


def test_nested_blocks_record_twice_or_once(ctx: Any) -> None:
    for once in (False, True):
        with (pytest.raises(ValueError, match="no luck"), error_handler(ctx, "outer", once=once),
              error_handler(ctx, "inner")):
            fail()
    assert [entry["step"] for entry in ctx["errors"]] == ["inner", "outer", "inner"]


def test_with_a_timer_and_a_rollback(ctx: Any, tmp_path: Path) -> None:
    """The seventh and eighth documented example: within step_timer, and with ctx_rollback behind it."""
    ctx["x"] = 1
    (tmp_path / "last_good.json").write_text(json.dumps({"x": 1}))
    with step_timer(ctx, "computation"), error_handler(ctx, "computation", re_raise=False):
        ctx["x"] = 2
        fail()
    assert ctx["step_times"][0]["step"] == "computation"
    ctx_rollback.run(ctx, {"snapshot": str(tmp_path / "last_good.json"), "errors_key": "errors"})
    assert ctx["x"] == 1


def test_around_each_step_of_a_runner(ctx: Any) -> None:
    """The sixth documented example: the first step that fails ends the loop, and is the one entry."""
    def execute_step(ctx: Any, step: dict[str, Any]) -> None:
        ctx.setdefault("ran", []).append(step["name"])
        if step["name"] == "b":
            fail()

    with pytest.raises(ValueError, match="no luck"):
        for step in ({"name": "a"}, {"name": "b"}, {"name": "c"}):
            with error_handler(ctx, step["name"], re_raise=True):
                execute_step(ctx, step)
    assert list(ctx["ran"]) == ["a", "b"] and [entry["step"] for entry in ctx["errors"]] == ["b"]


def test_around_a_program(tmp_path: Path, checkout: Path) -> None:
    """The ninth documented example: what ends the program is recorded before it does."""
    (tmp_path / "cli.py").write_text(textwrap.dedent("""
        from octo.context import Context
        from scriptlets.python.core.ctx_error_handler import error_handler
        ctx = Context()
        def main_cli_logic():
            raise ValueError("no luck")
        if __name__ == "__main__":
            try:
                with error_handler(ctx, "cli_entry"):
                    main_cli_logic()
            finally:
                print(ctx["errors"][0]["step"], ctx["errors"][0]["error"])
    """))
    path = os.pathsep.join([str(checkout), str(checkout / "modules")])
    done = subprocess.run([sys.executable, tmp_path / "cli.py"], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": path}, check=False)
    assert (done.returncode, done.stdout) == (1, "cli_entry no luck\n") and "ValueError: no luck" in done.stderr


def test_the_proposed_signature(ctx: Any) -> None:
    """The tenth documented example, its arguments by place."""
    told: list[str] = []
    for number in range(2):
        with error_handler(ctx, f"s{number}", False, "WARNING", 7, lambda entry: told.append(entry["step"]), 3):
            fail()
    assert told == ["s0", "s1"] and [(each["level"], each["code"]) for each in ctx["errors"]] == [("WARNING", 7)] * 2
    with pytest.raises(TooManyErrors), error_handler(ctx, "s2", False, max_errors=3):
        fail()


def test_what_else_is_kept(ctx: Any) -> None:
    ctx["rows"], ctx["api_token"] = list(range(500)), "t0p"
    with error_handler(ctx, "load", False, "CRITICAL", 401, message="try later", details=True, audit=True,
                       dump=["rows", "api_token", "gone"]):
        fail()
    entry = ctx["errors"][0]
    assert (entry["level"], entry["code"], entry["message"]) == ("CRITICAL", 401, "try later")
    assert entry["type"] == "ValueError"
    assert set(entry["values"]) == {"rows", "api_token"} and "t0p" not in json.dumps(entry["values"])
    assert len(json.dumps(entry["values"])) < 2000
    assert (ctx["audit"][0]["step"], ctx["audit"][0]["status"]) == ("load", "error")


def test_only_some_exceptions(ctx: Any) -> None:
    for wanted in ("LookupError", ["OSError", "LookupError"], LookupError):
        with error_handler(ctx, "x", re_raise=False, exceptions=wanted):
            raise KeyError("k")
        with pytest.raises(ValueError, match="no luck"), error_handler(ctx, "x", re_raise=False, exceptions=wanted):
            fail()
    with pytest.raises(KeyboardInterrupt), error_handler(ctx, "x", re_raise=False):
        raise KeyboardInterrupt
    assert len(ctx["errors"]) == 3


def test_too_many(ctx: Any) -> None:
    for _ in range(2):
        with error_handler(ctx, "x", re_raise=False, max_errors=3):
            fail()
    with (pytest.raises(RuntimeError, match="there are 3 errors, and max_errors is 3; the last: no luck") as caught,
          error_handler(ctx, "outer", re_raise=False), error_handler(ctx, "x", re_raise=False, max_errors=3)):
        fail()
    assert isinstance(caught.value, TooManyErrors) and len(ctx["errors"]) == 3
    with error_handler(ctx, "x", re_raise=False, keep=2):
        fail("newest")
    assert [entry["error"] for entry in ctx["errors"]] == ["no luck", "newest"]


def test_somebody_is_told(ctx: Any) -> None:
    told: list[Any] = []

    def notify(entry: dict[str, Any]) -> None:
        told.append(entry["error"])
        raise OSError("no mail")

    with error_handler(ctx, "x", re_raise=False, notify_fn=notify):
        fail()
    assert told == ["no luck"]
    assert [entry["step"] for entry in ctx["errors"]] == ["x", "x: notify_fn"]
    assert ctx["errors"][1]["error"] == "no mail"


def test_coroutines_and_threads(ctx: Any) -> None:
    @error_handler("later", re_raise=False)
    async def later(ctx: Any) -> int:
        raise ValueError("later")

    async def block() -> None:
        async with error_handler(ctx, "block", re_raise=False):
            fail()

    assert asyncio.run(later(ctx)) is None
    asyncio.run(block())

    def work() -> None:
        for _ in range(20):
            with error_handler(ctx, "thread", re_raise=False):
                fail()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ctx["errors"]) == 82


def test_reading_the_list(ctx: Any, tmp_path: Path) -> None:
    assert entries(ctx) == []
    for step, code in (("a", 1), ("b", 2)):
        with error_handler(ctx, step, re_raise=False, code=code):
            fail(f"at {step}")
    assert [entry["step"] for entry in entries(ctx, code=2)] == ["b"]
    assert [entry["step"] for entry in entries(ctx, keyword="at b")] == ["b"]
    export(ctx, tmp_path / "errors.csv", step="a")
    assert "at a" in (tmp_path / "errors.csv").read_text()


def test_mistakes() -> None:
    for there, use, error in (
        ({"errors": "text"}, {}, ShapeError),
        ({"audit": {}}, {"audit": True}, ShapeError),
        ({}, {"max_errors": 0}, UsageError),
        ({}, {"notify_fn": "no_such:f"}, OctoError),
    ):
        with pytest.raises(error), error_handler(dict(there), "x", **use):  # type: ignore[arg-type]
            raise AssertionError("the block began")
    with pytest.raises(UsageError), error_handler("x"):
        raise AssertionError("the block began")


def test_as_a_step(ctx: Any) -> None:
    assert run(ctx, {"fn": lambda x: x + 1, "args": {"x": 1}, "step_name": "add"}) == {
        "step": "add", "result": 2, "error": None}
    assert run(ctx, {"fn": fail, "re_raise": False}) == {"step": "fail", "result": None, "error": "no luck"}
    with pytest.raises(ValueError, match="no luck"):
        run(ctx, {"fn": fail})
    assert [entry["step"] for entry in ctx["errors"]] == ["fail", "fail"]
    with pytest.raises(KeyError, match="parameter 'fn' is missing"):
        run(ctx, {})


def test_in_a_recipe(tmp_path: Path) -> None:
    """The entry of a failed step stays, and a resume goes on."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def fetch(ctx):
            ctx["half"] = 1
            if not Path("go").exists():
                raise ConnectionError("down")
            return 7
    """)
    project.recipe("""
        steps:
          - {name: optional, function: ctx_error_handler, params: {fn: "BODY:fetch", re_raise: false}}
          - {name: needed, function: ctx_error_handler, params: {fn: "BODY:fetch", step_name: needed}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert [entry["step"] for entry in project.ctx["errors"]] == ["fetch", "needed"]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["needed"]["result"]["result"] == 7 and project.steps["optional"]["result"]["error"] == "down"
