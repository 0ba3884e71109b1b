"""ctx_set_debug: the common debug flag."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError
from step_library.observe.ctx_resource_monitor import resource_monitor
from step_library.state import ctx_set_debug
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


@pytest.mark.parametrize(("given", "flag"), [
    (True, True), (False, False), (1, True), (0, False), ("true", True), ("True", True), ("YES", True), ("1", True),
    ("on", True), ("false", False), ("OFF", False), ("no", False), ("0", False), (" off ", False), (1.0, True),
])
def test_words(ctx: Any, given: Any, flag: bool) -> None:
    assert ctx_set_debug.run(ctx, {"debug": given}) == {"debug": flag}
    assert ctx == {"debug": flag} and ctx["debug"] is flag


@pytest.mark.parametrize(("given", "flag", "level"), [
    ("DEBUG", True, "DEBUG"), (10, True, "DEBUG"), ("trace", True, "TRACE"), ("info", False, "INFO"),
    ("20", False, "INFO"), ("warn", False, "WARNING"), (50, False, "CRITICAL"),
])
def test_levels(ctx: Any, given: Any, flag: bool, level: str) -> None:
    assert ctx_set_debug.run(ctx, {"debug": given}) == {"debug": flag, "level": level}
    assert ctx == {"debug": flag, "debug_level": level}
    ctx_set_debug.run(ctx, {})
    assert ctx == {"debug": True}


def test_modules_and_log(ctx: Any) -> None:
    ctx_set_debug.run(ctx, {"debug": False})
    found = ctx_set_debug.run(ctx, {"modules": ["load", "clean"], "log": True})
    assert found == {"debug": True, "modules": ["load", "clean"]}
    ctx_set_debug.run(ctx, {"modules": ["clean"], "debug": "off"})
    assert ctx["debug"] is False and ctx["debug_modules"] == {"load": True, "clean": False}
    [entry] = ctx["log"]
    assert (entry["level"], entry["msg"], entry["value"]) == ("INFO", "debug is on for load, clean", True)


@pytest.mark.parametrize("debug", [True, False])
def test_lines_of_a_measured_block_when_debug_is_on(ctx: Any, debug: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """The seventh documented example: resource_monitor around, and more is printed only when the flag is set."""
    ctx_set_debug.run(ctx, {"debug": debug})
    with resource_monitor(ctx, "my_step"):
        if ctx.get("debug"):
            print("DEBUG: in my_step")
    assert [record["step"] for record in ctx["resources"]] == ["my_step"]
    assert capsys.readouterr().out == ("DEBUG: in my_step\n" if debug else "")


@pytest.mark.parametrize(("there", "params", "words"), [
    ({}, {"debug": "banana"}, "'banana' is none of true, false"),
    ({}, {"debug": ""}, "'' is none of"),
    ({}, {"debug": "debgu"}, "did you mean debug?"),
    ({}, {"debug": 7}, "7 is none of"),
    ({}, {"debug": -1}, "-1 is none of"),
    ({}, {"debug": None}, "'debug' is to be bool"),
    ({}, {"debug": [1]}, "'debug' is to be bool"),
    ({}, {"debg": True}, "did you mean debug?"),
    ({"debug_modules": [1]}, {"modules": ["a"]}, "is to be a dict, not a list of 1"),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], words: str) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(ValueError, match=r"(?s).*") as caught:
            ctx_set_debug.run(ctx, params)
        assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == there


def test_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "step_library.state.ctx_set_debug", "--debug", "False", "--json"],
                          capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert json.loads(done.stdout)["result"] == {"debug": False}


def test_in_a_recipe_over_a_resume(tmp_path: Path) -> None:
    """The sixth documented example."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
            ctx["seen"] = ctx.get("debug")
    """)
    project.recipe("""
        steps:
          - {name: set_debug_mode, function: ctx_set_debug, params: {debug: on}}
          - {name: gate, module: BODY, function: gate, depends_on: set_debug_mode}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx == {"debug": True, "seen": True}
