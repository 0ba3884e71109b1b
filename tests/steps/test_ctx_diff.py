"""ctx_diff: what is new, gone or different."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError
from octo.param import MissingParam
from step_library.data import ctx_diff
from tests.recipe.runs import Project

NOW = {"foo": 123, "rows": [{"id": 1, "v": 1.0}, {"id": 2}], "same": [1, {"a": None}], "new": 1, "text": "a\nb\nc"}
OLD = {"gone": 1, "foo": 900, "rows": [{"id": 1, "v": 1.01}], "same": [1, {"a": None}], "text": "a\nx\nc", "raw_x": 2}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return copy.deepcopy(NOW) if request.param == "dict" else Context(NOW, who="me")


def same_length(old: Any, new: Any) -> bool:
    return len(old) == len(new)


@pytest.mark.parametrize(("params", "added", "removed", "changed"), [
    ({"old": OLD}, ["new"], ["gone", "raw_x"], ["foo", "rows", "text"]),
    ({"old": {}}, list(NOW), [], []),
    ({"old": NOW}, [], [], []),
    ({"old": OLD, "filter_keys": ["raw_*", "foo"]}, [], ["raw_x"], ["foo"]),
    ({"old": OLD, "filter_keys": "re:^(g|n)"}, ["new"], ["gone"], []),
    ({"old": OLD, "filter_keys": []}, [], [], []),
    ({"old": OLD, "ignore": ["foo", "rows/1", "ne?"]}, [], ["gone", "raw_x"], ["rows", "text"]),
    ({"old": OLD, "ignore": ["rows/1", "rows/*/v"]}, ["new"], ["gone", "raw_x"], ["foo", "text"]),
    ({"old": OLD, "ignore": ["rows/1"], "tolerance": 0.02}, ["new"], ["gone", "raw_x"], ["foo", "text"]),
    ({"old": OLD, "compare": {"text": "builtins:isinstance"}, "filter_keys": "foo"}, [], [], ["foo"]),
    ({"old": OLD, "compare": {"text": same_length}}, ["new"], ["gone", "raw_x"], ["foo", "rows"]),
    ({"old": {**NOW, "foo": 123.0, "new": True}}, [], [], []),
    ({"old": {**NOW, "foo": 123.0, "new": True}, "types": True}, [], [], ["foo", "new"]),
])
def test_which_keys(ctx: Any, params: Any, added: list[str], removed: list[str], changed: list[str]) -> None:
    assert ctx_diff.run(ctx, params) == {"added": added, "removed": removed, "changed": changed}
    assert dict(ctx) == NOW


def test_old_values_beside_new_ones(ctx: Any) -> None:
    found = ctx_diff.run(ctx, {"old": {**OLD, "foo": "x"}, "details": True})["changed"]
    assert found == [
        {"key": "foo", "kind": "type", "old": "x", "new": 123},
        {"key": "rows", "kind": "value", "old": OLD["rows"], "new": NOW["rows"]},
        {"key": "text", "kind": "value", "old": "a\nx\nc", "new": "a\nb\nc",
         "diff": ["@@ -1,3 +1,3 @@", " a", "-x", "+b", " c"]},
    ]
    nested = ctx_diff.run(ctx, {"old": {"rows": [{"id": 1, "v": 1.01, "w": 0}]}, "nested": True})["changed"]
    assert nested == [
        {"key": "rows", "path": "rows/0/v", "kind": "value", "old": 1.01, "new": 1.0},
        {"key": "rows", "path": "rows/0/w", "kind": "removed", "old": 0},
        {"key": "rows", "path": "rows/1", "kind": "added", "new": {"id": 2}},
    ]


def test_who_did_it() -> None:
    ctx = Context({"a": 1})
    before = ctx.snapshot()
    ctx.set("a", 2, who="step_x")
    entry, = ctx_diff.run(ctx, {"old": before, "details": True, "authors": True})["changed"]
    assert entry["who"] == "step_x" and entry["timestamp"] > 0
    assert ctx_diff.run(ctx, {"old": Context(before)}) == {"added": [], "removed": [], "changed": ["a"]}


def test_a_copy_in_ctx_and_one_in_a_file(ctx: Any, tmp_path: Path) -> None:
    ctx["before"] = OLD
    wanted = {"added": ["new"], "removed": ["gone", "raw_x"], "changed": ["foo", "rows", "text"]}
    assert ctx_diff.run(ctx, {"old": "before", "out": "diff"}) == wanted
    assert ctx["diff"] == wanted == ctx_diff.run(ctx, {"old": "before", "out": "diff"})
    path = tmp_path / "old.json"
    for content in (OLD, {"_meta": {"time": 1}, "ctx_data": OLD}):
        path.write_text(json.dumps(content))
        found = ctx_diff.run(ctx, {"old": str(path), "ignore": ["before", "diff"]})
        assert found["changed"] == ["foo", "rows", "text"] and found["added"] == ["new"]


def test_values_whose_comparison_is_no_bool() -> None:
    import numpy

    now = {"a": numpy.array([1, 2]), "b": numpy.array([1, 2]), "c": numpy.array([1, 2])}
    old = {"a": numpy.array([1, 2]), "b": numpy.array([1, 3]), "c": numpy.array([1, 2, 3])}
    assert ctx_diff.run(now, {"old": old})["changed"] == ["b", "c"]


@pytest.mark.parametrize(("params", "error", "words"), [
    ({}, MissingParam, "'old' is missing"),
    ({"old": 3}, OctoError, "'old' is to be dict or str, not 3"),
    ({"old": "foo"}, OctoError, "ctx['foo'] is to be a dict, a copy of ctx, not int 123"),
    ({"old": "no_such.json"}, OctoError, "no_such.json"),
    ({"old": {}, "filter_keys": "re:("}, OctoError, "'(' is no regular expression"),
    ({"old": {}, "tolerance": -1}, OctoError, "'tolerance' is to be 0 or more, not -1"),
    ({"old": {}, "compare": {"a": 5}}, OctoError, "compare/a is to be a function"),
])
def test_mistakes(ctx: Any, params: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as caught:
        ctx_diff.run(ctx, {"out": "diff", **params})
    assert words in str(caught.value) and "diff" not in ctx


def test_text_of_one_line_needs_no_diff() -> None:
    ctx = {"a": "new", "b": "x\ny", "c": "z"}
    found = ctx_diff.run(ctx, {"old": {"a": "old", "b": "x", "c": 1}, "details": True})["changed"]
    assert ["diff" in entry for entry in found] == [False, True, False]


def test_a_large_table() -> None:
    rows = [[n, float(n)] for n in range(50_000)]
    ctx = Context({"rows": rows})
    old = {"rows": [*rows[:-1], [0, 0.0]]}
    found = ctx_diff.run(ctx, {"old": old, "nested": True})["changed"]
    assert [entry["path"] for entry in found] == ["rows/49999/0", "rows/49999/1"]


def test_in_a_recipe_that_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def load(ctx):
            ctx["before"] = {"n": 1}
        def work(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
            ctx["n"] = 2
    """)
    project.recipe("""
        steps:
          - {name: load, module: BODY, function: load}
          - {name: work, module: BODY, function: work, depends_on: load}
          - {name: diff, function: ctx_diff, params: {old: before, filter_keys: [n]}, depends_on: work}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["diff"]["result"] == {"added": [], "removed": [], "changed": ["n"]}
