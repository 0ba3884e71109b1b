"""ctx_assert: checks that stop a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError
from octo.param import MissingParam
from step_library.data import ctx_assert
from tests.recipe.runs import Project

CTX = {"n": 7, "status": "done", "rows": [1, 2], "yes": True, "none": None, "x": 1.0}


def even(value: int, expected: bool) -> bool:
    return (value % 2 == 0) is expected


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return dict(CTX) if request.param == "dict" else Context(CTX)


@pytest.mark.parametrize("params", [
    {"key": "n", "expected": 7},
    {"key": "yes", "expected": 1},
    {"key": "x", "expected": 1},
    {"key": "none", "expected": None},
    {"key": "no such", "expected": None},
    {"key": "rows", "expected": [1, 2], "type": "list"},
    {"key": "n", "expected": 5, "op": "gt"},
    {"key": "n", "expected": 7, "op": "ge"},
    {"key": "n", "expected": 8, "op": "lt"},
    {"key": "n", "expected": 7, "op": "le"},
    {"key": "n", "expected": 8, "op": "ne"},
    {"key": "n", "expected": [1, 7], "op": "in"},
    {"key": "n", "expected": [1], "op": "not_in"},
    {"key": "rows", "expected": 2, "op": "contains"},
    {"key": "status", "expected": "^d.ne$", "op": "matches"},
    {"key": "n", "expected": False, "op": even},
    {"key": "n", "type": ["int", "null"]},
    {"key": "n", "type": int},
    {"checks": [{"key": "n", "expected": 7}, {"key": "status", "expected": ["done", "ok"], "op": "in"}]},
])
def test_what_holds(ctx: Any, params: dict[str, Any]) -> None:
    assert ctx_assert.run(ctx, params) == {"asserted": True}
    assert {entry["level"] for entry in ctx["log"]} == {"INFO"}
    assert len(ctx["log"]) == len(params.get("checks", [0]))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", ctx["log"][0]["timestamp"])


@pytest.mark.parametrize(("params", "words"), [
    ({"key": "n", "expected": 42}, "ctx['n'] == 42 does not hold: it is int 7"),
    ({"key": "n", "expected": 7, "op": "gt"}, "ctx['n'] > 7 does not hold: it is int 7"),
    ({"key": "no such", "expected": 1}, "ctx['no such'] == 1 does not hold: it is not there"),
    ({"key": "status", "expected": 3, "op": "gt"}, "it is str 'done' ('>' not supported"),
    ({"key": "n", "expected": 3, "op": "in"}, "ctx['n'] in 3 does not hold"),
    ({"key": "n", "expected": "7", "op": "matches"}, "ctx['n'] matches '7' does not hold"),
    ({"key": "n", "expected": True, "op": even}, "ctx['n'] even True does not hold"),
    ({"key": "yes", "expected": 1, "type": "int"}, "ctx['yes'] is not of type int: it is bool True"),
    ({"key": "n", "type": ["list", "dict"]}, "is not of type list or dict"),
    ({"key": "n", "expected": 1, "message": "too bad"}, "too bad: ctx['n'] == 1"),
    ({"key": "rows", "expected": list(range(10**5))}, "… does not hold: it is a list of 2"),
])
def test_what_does_not(ctx: Any, params: dict[str, Any], words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        ctx_assert.run(ctx, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and len(str(caught.value)) < 300
    assert (ctx["log"][-1]["level"], ctx["log"][-1]["msg"]) == ("ERROR", str(caught.value))
    found = ctx_assert.run(ctx, {**params, "strict": False, "tags": ["t"]})
    assert found == {"asserted": False, "failed": [str(caught.value)]}
    assert (ctx["log"][-1]["level"], ctx["log"][-1]["tags"]) == ("WARN", ["t"])


def test_several(ctx: Any) -> None:
    checks = [{"key": "n", "expected": 1}, {"key": "n", "expected": 7}, {"key": "x", "expected": 2}]
    with pytest.raises(AssertionError, match=r"^ctx\['n'\] == 1 does not hold: it is int 7$"):
        ctx_assert.run(ctx, {"checks": checks})
    with pytest.raises(AssertionError) as caught:
        ctx_assert.run(ctx, {"checks": checks, "collect": True})
    assert len(str(caught.value).split("\n")) == 2
    assert [entry["level"] for entry in ctx["log"]] == ["ERROR", "ERROR", "INFO", "ERROR"]
    assert ctx_assert.run(ctx, {"checks": []}) == {"asserted": True}


def test_who_changed_it_before() -> None:
    ctx = Context({}, who="load")
    ctx["n"] = 1
    ctx.set("n", 2, who="double")
    with pytest.raises(AssertionError, match="; before: load set int 1, double set int 2$"):
        ctx_assert.run(ctx, {"key": "n", "expected": 1, "history": 5})


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"key": "n"}, MissingParam, "'expected' is missing"),
    ({"expected": 1}, MissingParam, "'key' is missing"),
    ({"key": "n", "expected": 1, "op": "gtt"}, OctoError, "there is no 'gtt'; there are eq"),
    ({"key": "n", "expected": 1, "op": "no_such:f"}, OctoError, "no_such"),
    ({"key": "n", "expected": "(", "op": "matches"}, OctoError, "is no regular expression"),
    ({"key": "n", "type": "lst"}, OctoError, "there is no type 'lst'; did you mean list?"),
    ({"key": "n", "checks": []}, OctoError, "two ways to say one thing"),
    ({"checks": [1]}, OctoError, "checks[0]: a check is a dict, not int 1"),
    ({"checks": [{"key": "n", "expect": 1}]}, OctoError, "unknown field 'expect'; did you mean expected?"),
    ({"checks": [{"key": "n", "expected": 7}, {"key": "x"}]}, MissingParam, "checks[1]: parameter 'expected'"),
])
def test_mistakes_are_found_before_anything_is_logged(ctx: Any, params: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as caught:
        ctx_assert.run(ctx, params)
    assert words in str(caught.value) and "log" not in ctx


def test_a_log_that_is_no_list() -> None:
    with pytest.raises(ShapeError, match=r"ctx\['log'\] is to be a list"):
        ctx_assert.run({"log": 1, "n": 1}, {"key": "n", "expected": 1})


def test_in_a_recipe_the_log_outlives_the_failure(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def load(ctx):
            ctx["n"] = 7 if Path("go").exists() else 6
    """)
    project.recipe("""
        steps:
          - {name: load, module: BODY, function: load}
          - {name: check, function: ctx_assert, params: {key: n, expected: 7}, depends_on: load}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert [entry["level"] for entry in project.ctx["log"]] == ["ERROR"]
    (project.folder / "go").touch()
    assert project.run(resume_from="load").status == "COMPLETE_SUCCESS"
    assert project.steps["check"]["result"] == {"asserted": True}


def test_so_many_changes_of_the_key_are_told() -> None:
    ctx = Context(n=0)
    for value in (1, 2, 3):
        ctx.set("n", value, who=f"step{value}")
    for number, words in ((1, "before: step3 set int 3"), (2, "before: step2 set int 2, step3 set int 3")):
        with pytest.raises(AssertionError, match=f"; {words}$"):
            ctx_assert.run(ctx, {"key": "n", "expected": 9, "history": number})
