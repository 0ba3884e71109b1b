"""ctx_validate: keys and their types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError
from step_library.data import ctx_validate
from tests.recipe.runs import Project

CTX = {"numbers": [1, 2, 3], "info": {"a": "A"}, "text": "t", "yes": True, "n": 5, "none": None}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return dict(CTX) if request.param == "dict" else Context(CTX)


def positive(value: int) -> bool:
    return value > 0


def no(value: Any) -> None:
    raise RuntimeError("never")


@pytest.mark.parametrize(("params", "keys"), [
    ({}, []),
    ({"required": ["numbers", "info"]}, ["numbers", "info"]),
    ({"required": ["numbers"], "types": {"numbers": "list", "info": dict}}, ["numbers", "info"]),
    ({"types": {"numbers": list, "none": "NoneType", "n": ["str", "number"], "text": "str"}},
     ["numbers", "none", "n", "text"]),
    ({"types": {"yes": "int"}}, ["yes"]),
    ({"len": {"numbers": 3}, "in": {"text": ["t", "u"]}, "validators": {"n": positive}}, ["numbers", "text", "n"]),
])
def test_what_is_in_order(ctx: Any, params: dict[str, Any], keys: list[str]) -> None:
    assert ctx_validate.run(ctx, params) == {"validated": keys}
    assert dict(ctx) == CTX
    assert ctx_validate.run(ctx, {**params, "dry_run": True}) == {
        "validated": keys, "valid": True, "missing": [], "bad_types": [], "problems": []}


@pytest.mark.parametrize(("params", "lines"), [
    ({"required": ["no"]}, ["Missing required ctx key: no"]),
    ({"types": {"no": "list"}}, ["Missing required ctx key: no"]),
    ({"types": {"numbers": dict}}, ["ctx['numbers'] is not of type dict"]),
    ({"types": {"numbers": ["dict", "str"]}}, ["ctx['numbers'] is not of type dict or str"]),
    ({"types": {"none": "tuple"}}, ["ctx['none'] is not of type tuple"]),
    ({"types": {"yes": "int"}, "strict": True}, ["ctx['yes'] is not of type int"]),
    ({"required": ["no", "info"], "types": {"info": "list", "nor": "str"}},
     ["Missing required ctx key: no", "Missing required ctx key: nor", "ctx['info'] is not of type list"]),
    ({"len": {"numbers": 2, "n": 1}}, ["ctx['numbers'] length != 2", "ctx['n'] length != 1: int 5 has none"]),
    ({"in": {"text": ["a"]}}, ["ctx['text'] is str 't', which is none of 'a'"]),
    ({"validators": {"n": no}}, ["ctx['n'] is refused by no: never"]),
    ({"validators": {"n": lambda value: value > 9}}, ["ctx['n'] is refused by <lambda>"]),
])
def test_all_that_is_wrong_is_told(ctx: Any, params: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        ctx_validate.run(ctx, params)
    assert str(caught.value).split("\n") == lines == caught.value.problems  # type: ignore[attr-defined]
    assert isinstance(caught.value, OctoError) and dict(ctx) == CTX
    assert ctx_validate.run(ctx, {**params, "dry_run": True})["problems"] == lines


@pytest.mark.parametrize(("params", "words"), [
    ({"types": {"n": "itn"}}, "types/n: there is no type 'itn'; did you mean int?"),
    ({"types": {"n": 3}}, "there is no type 3"),
    ({"len": {"n": "3"}}, "n/len is to be int, not str '3'"),
    ({"in": {"n": "abc"}}, "n/in is to be a list"),
    ({"validators": {"n": "no_such:f"}}, "n/check: "),
    ({"requird": []}, "did you mean required?"),
])
def test_mistakes_in_what_is_asked(ctx: Any, params: Any, words: str) -> None:
    with pytest.raises(OctoError) as caught:
        ctx_validate.run(ctx, params)
    assert words in str(caught.value) and isinstance(caught.value, ValueError)


def test_defaults_come_in_only_when_all_is_in_order(ctx: Any) -> None:
    with pytest.raises(ValueError, match="Missing required ctx key: no$"):
        ctx_validate.run(ctx, {"required": ["a", "no"], "defaults": {"a": 1}})
    with pytest.raises(ValueError, match=r"ctx\['a'\] is not of type str"):
        ctx_validate.run(ctx, {"types": {"a": "str"}, "defaults": {"a": 1}})
    assert "a" not in ctx
    ctx_validate.run(ctx, {"types": {"a": "int"}, "defaults": {"a": 1, "n": 0}})
    assert (ctx["a"], ctx["n"]) == (1, 5)


def test_the_outcome_in_a_log(ctx: Any) -> None:
    ctx_validate.run(ctx, {"required": ["n"], "log": True})
    with pytest.raises(ValueError):
        ctx_validate.run(ctx, {"required": ["no"], "log": True})
    assert [(each["valid"], each["missing"]) for each in ctx["validation_log"]] == [(True, []), (False, ["no"])]
    with pytest.raises(ShapeError, match="validation_log"):
        ctx_validate.run({"validation_log": 3}, {"log": True})


def test_thousands_of_problems_stay_readable() -> None:
    with pytest.raises(ValueError) as caught:
        ctx_validate.run({}, {"required": [f"k{n}" for n in range(5000)]})
    assert str(caught.value).endswith("\nand 4900 more") and len(caught.value.problems) == 5000  # type: ignore


def test_in_a_recipe_that_is_mended_and_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        ctx: {rows: [1]}
        steps:
          - {name: check, function: ctx_validate, params: {required: [rows, late], types: {rows: list}}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert "Missing required ctx key: late" in project.steps["check"]["error"]["message"]
    Context.open(project.instance)["late"] = 1
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["check"]["result"] == {"validated": ["rows", "late"]}


def test_a_default_is_each_ctx_s_own() -> None:
    params: dict[str, Any] = {"types": {"a": "list"}, "defaults": {"a": []}}
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    ctx_validate.run(first, params)
    first["a"].append(1)
    ctx_validate.run(second, params)
    assert second == {"a": []}
