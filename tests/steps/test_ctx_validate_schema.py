"""ctx_validate_schema: rules for each key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError
from octo.param import MissingParam
from step_library.data import ctx_validate_schema
from tests.recipe.runs import Project

CTX = {"data": [1, 2, 3], "meta": {"info": "demo", "size": 2}, "desc": "summary", "n": 5, "yes": True,
       "rows": [{"id": 1, "v": 0.5}, {"id": 2}, {"id": "x", "v": 2.0}]}
ROWS = {"rows": {"type": "list", "items": {"type": "dict", "fields": {
    "id": {"type": "int"}, "v": {"type": "float", "optional": True, "max": 1}}}}}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return dict(CTX) if request.param == "dict" else Context(CTX)


def even(value: int) -> bool:
    return value % 2 == 0


@pytest.mark.parametrize("schema", [
    {},
    {"data": {"type": "list", "len": 3}, "meta": None, "desc": {}},
    {"data": {"type": list, "elem_type": "int", "min_len": 1, "max_len": 3}, "meta": {"type": dict}},
    {"data": "list", "n": int},
    {"no": {"optional": True, "type": "int"}, "n": {"min": 1, "max": 5, "in": [5, 6]}},
    {"desc": {"regex": "^sum", "check": str.islower}},
    {"meta": {"fields": {"info": {"type": "str"}, "no": {"optional": True}}}},
    {"yes": {"type": "int"}},
    {"no": {"when": "n > 9"}, "n": {"when": "yes and n == 5", "type": "int"}},
])
def test_what_is_in_order(ctx: Any, schema: dict[str, Any]) -> None:
    assert ctx_validate_schema.run(ctx, {"schema": schema}) == {"validated": list(schema)}
    assert dict(ctx) == CTX


@pytest.mark.parametrize(("schema", "lines"), [
    ({"foo": {"type": "list"}}, ["Missing ctx key: foo"]),
    ({"n": {"type": "list"}}, ["ctx[n] is not <class 'list'>"]),
    ({"n": {"type": ["list", "null"]}}, ["ctx[n] is not <class 'list'> or <class 'NoneType'>"]),
    ({"desc": {"type": "number"}}, ["ctx[desc] is not number"]),
    ({"data": {"len": 4, "elem_type": "str"}}, ["ctx[data] length != 4", "ctx[data/0] is not <class 'str'>",
                                               "ctx[data/1] is not <class 'str'>", "ctx[data/2] is not <class 'str'>"]),
    ({"n": {"len": 1}}, ["ctx[n] length != 1: int 5 has none"]),
    ({"data": {"min_len": 4, "max_len": 2}}, ["ctx[data] length < 4", "ctx[data] length > 2"]),
    ({"n": {"min": 6, "in": [6]}}, ["ctx[n] is int 5, which is none of 6", "ctx[n] is int 5, which is not >= 6"]),
    ({"desc": {"max": 6}}, ["ctx[desc] is str 'summary', which is not <= 6"]),
    ({"desc": {"regex": "^x"}}, ["ctx[desc] is str 'summary', which does not match '^x'"]),
    ({"n": {"check": even}, "data": {"check_elem": even}},
     ["ctx[n] is refused by even", "ctx[data/0] is refused by even", "ctx[data/2] is refused by even"]),
    (ROWS, ["ctx[rows/2/id] is not <class 'int'>", "ctx[rows/2/v] is float 2.0, which is not <= 1"]),
    ({"meta": {"fields": {"inf": {}}}}, ["ctx[meta] has no field 'inf'; did you mean info?"]),
    ({"n": {"fields": {}, "items": {}}},
     ["ctx[n] is int 5, which has no fields", "ctx[n] is int 5, which has no elements"]),
    ({"foo": {"when": "n == 5"}}, ["Missing ctx key: foo"]),
    ({"foo": None, "n": "str", "data": {"len": 1}},
     ["Missing ctx key: foo", "ctx[n] is not <class 'str'>", "ctx[data] length != 1"]),
])
def test_all_that_is_wrong_is_told(ctx: Any, schema: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        ctx_validate_schema.run(ctx, {"schema": schema})
    assert str(caught.value).split("\n") == lines and isinstance(caught.value, OctoError) and dict(ctx) == CTX
    assert ctx_validate_schema.run(ctx, {"schema": schema, "dry_run": True})["problems"] == lines


@pytest.mark.parametrize(("schema", "words"), [
    ({"n": {"typ": "int"}}, "n: there is no rule 'typ'; did you mean type?"),
    ({"n": {"type": "itn"}}, "n/type: there is no type 'itn'"),
    ({"n": 3}, "schema/n is to be a dict of rules, not int 3"),
    ({"n": {"len": True}}, "n/len is to be int, not bool True"),
    ({"n": {"fields": {"a": {"typ": 1}}}}, "n/fields/a: there is no rule 'typ'"),
    ({"n": {"fields": {"a": 1}}}, "n/fields/a: a rule is a dict, not int 1"),
    ({"n": {"regex": "("}}, "n/regex: '(' is no regular expression"),
    ({"n": {"check": 5}}, "n/check is to be a function"),
    ({"n": {"check": "no_such:f"}}, "n/check: "),
    ({"n": {"when": "m >"}}, "cannot be read"),
    ("no_such.yaml", "schema: there is no file no_such.yaml"),
])
def test_mistakes_in_the_schema(ctx: Any, schema: Any, words: str) -> None:
    with pytest.raises(OctoError) as caught:
        ctx_validate_schema.run(ctx, {"schema": schema})
    assert words in str(caught.value)


def test_no_schema() -> None:
    with pytest.raises(MissingParam, match="'schema' is missing"):
        ctx_validate_schema.run({}, {})
    with pytest.raises(KeyError):
        ctx_validate_schema.run({}, {})


def test_a_schema_in_a_file(ctx: Any, tmp_path: Path) -> None:
    good, bad = tmp_path / "s.yaml", tmp_path / "s.json"
    good.write_text("data: {type: list, len: 3}\nmeta:\n")
    assert ctx_validate_schema.run(ctx, {"schema": str(good)}) == {"validated": ["data", "meta"]}
    assert ctx_validate_schema.run({}, {"schema": str(good), "list_rules": True}) == {
        "rules": {"data": {"type": "list", "len": 3}, "meta": {}}}
    for text, words in (("{", "s.json:1: no JSON"), ("[1]", "s.json is to hold a dict, not a list of 1")):
        bad.write_text(text)
        with pytest.raises(OctoError, match=words):
            ctx_validate_schema.run(ctx, {"schema": str(bad)})


def test_defaults_come_in_only_when_all_is_in_order(ctx: Any) -> None:
    schema: dict[str, Any] = {"a": {"default": 1, "type": "int"}, "no": {}}
    with pytest.raises(ValueError):
        ctx_validate_schema.run(ctx, {"schema": schema})
    assert "a" not in ctx
    del schema["no"]
    ctx_validate_schema.run(ctx, {"schema": schema})
    assert ctx["a"] == 1
    with pytest.raises(ValueError, match=r"ctx\[b\] is not <class 'int'>"):
        ctx_validate_schema.run(ctx, {"schema": {"b": {"default": "x", "type": "int"}}})


@pytest.mark.slow
def test_a_large_list() -> None:
    ctx = Context({"rows": [[n, float(n)] for n in range(50_000)]})
    assert ctx_validate_schema.run(ctx, {"schema": {"rows": {"type": "list", "len": 50_000, "elem_type": "list"}}})
    with pytest.raises(ValueError, match="and 49900 more$"):
        ctx_validate_schema.run(ctx, {"schema": {"rows": {"elem_type": "dict"}}})


def test_in_a_recipe_that_is_mended_and_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        ctx: {rows: [1], meta: {}}
        steps:
          - name: check
            function: ctx_validate_schema
            params:
              schema:
                rows: {type: list, len: 2}
                meta:
                  # anything
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.steps["check"]["error"]["message"].endswith("ctx[rows] length != 2")
    Context.open(project.instance)["rows"] = [1, 2]
    assert project.run().status == "COMPLETE_SUCCESS"


def test_a_default_is_each_ctx_s_own() -> None:
    params: dict[str, Any] = {"schema": {"a": {"type": "list", "default": []}}}
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    ctx_validate_schema.run(first, params)
    first["a"].append(1)
    ctx_validate_schema.run(second, params)
    assert second == {"a": []}


def test_the_documented_schema_with_types_as_text() -> None:
    """The first documented example: with valid data it returns the three keys, whose types are given as text."""
    schema = {"normalized_data": {"type": "list", "len": 100}, "metrics": {"type": "dict"},
              "ai_summary": {"type": "str"}}
    ctx: dict[str, Any] = {"normalized_data": [0] * 100, "metrics": {}, "ai_summary": ""}
    assert ctx_validate_schema.run(ctx, {"schema": schema}) == {"validated": list(schema)}
    ctx["normalized_data"].pop()
    with pytest.raises(ValueError, match=r"^ctx\[normalized_data\] length != 100$"):
        ctx_validate_schema.run(ctx, {"schema": schema})


def test_a_rule_of_nothing_asks_for_the_key() -> None:
    """The third documented example: `meta` has no rule, so it only is to be there."""
    schema = {"timeseries": {"type": "list"}, "metrics": {"type": "dict"}, "meta": None}
    ctx: dict[str, Any] = {"timeseries": [], "metrics": {}}
    with pytest.raises(ValueError, match="^Missing ctx key: meta$"):
        ctx_validate_schema.run(ctx, {"schema": schema})
    assert ctx_validate_schema.run({**ctx, "meta": None}, {"schema": schema}) == {"validated": list(schema)}


def test_a_condition_beside_keys_that_are_no_text() -> None:
    ctx: dict[Any, Any] = {1: "x", "n": 5}
    assert ctx_validate_schema.run(ctx, {"schema": {"n": {"when": "n > 1", "type": "int"}}}) == {"validated": ["n"]}
