"""ctx_merge: lists joined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from octo.param import MissingParam
from step_library.data import ctx_merge
from tests.recipe.runs import Project

LISTS = {"a": [1, 2, 3], "b": [3, 4], "batch_2": [[5]], "batch_1": [[6], [5]], "text": "abc", "none": None}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return dict(LISTS) if request.param == "dict" else Context(LISTS)


def longest(lists: list[list[Any]]) -> list[Any]:
    return max(lists, key=len)


@pytest.mark.parametrize(("params", "rows"), [
    ({"key1": "a", "key2": "b"}, [1, 2, 3, 3, 4]),
    ({"key1": "no", "key2": "nor"}, []),
    ({"keys": []}, []),
    ({"keys": ["b", "a", "b"]}, [3, 4, 1, 2, 3, 3, 4]),
    ({"keys": ["batch_*", "zz*"]}, [[5], [6], [5]]),
    ({"keys": ["batch_*"], "deduplicate": True}, [[5], [6]]),
    ({"keys": ["batch_*"], "reverse": True}, [[6], [5], [5]]),
    ({"key1": "a", "key2": "b", "deduplicate": True}, [1, 2, 3, 4]),
    ({"key1": "a", "key2": "b", "merge_fn": "interleave"}, [1, 3, 2, 4, 3]),
    ({"key1": "b", "key2": "batch_1", "merge_fn": "zip"}, [[3, [6]], [4, [5]]]),
    ({"key1": "b", "key2": "batch_1", "merge_fn": "flatten"}, [3, 4, 6, 5]),
    ({"key1": "b", "key2": "a", "merge_fn": longest}, [1, 2, 3]),
    ({"key1": "a", "key2": "b", "require_same_type": True}, [1, 2, 3, 3, 4]),
])
def test_what_comes_out(ctx: Any, params: dict[str, Any], rows: list[Any]) -> None:
    assert ctx_merge.run(ctx, {"out": "all", **params}) == {"merged_len": len(rows)}
    assert ctx["all"] == rows
    assert {key: ctx[key] for key in LISTS} == LISTS


def test_the_result_may_take_a_list_s_place_and_is_a_new_one(ctx: Any) -> None:
    ctx_merge.run(ctx, {"key1": "a", "key2": "no", "out": "new"})
    ctx["new"].append(9)
    assert ctx["a"] == [1, 2, 3]
    ctx_merge.run(ctx, {"key1": "a", "key2": "b", "out": "a"})
    assert ctx["a"] == [1, 2, 3, 3, 4]


def test_rows_are_equal_as_json_is() -> None:
    ctx: dict[str, Any] = {"a": [1, True, {"x": 1, "y": [2]}, "1"], "b": [1.0, {"y": [2.0], "x": 1}, True, None]}
    found = ctx_merge.run(ctx, {"key1": "a", "key2": "b", "out": "all", "deduplicate": True, "report": True})
    assert ctx["all"] == [1, True, {"x": 1, "y": [2]}, "1", None] and ctx["all"][1] is True
    assert found == {"merged_len": 5, "keys": ["a", "b"], "counts": [4, 4], "missing": [], "duplicates": 3}


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"key1": "a", "key2": "text"}, ShapeError, "ctx['text'] is to be a list, not str 'abc'"),
    ({"key1": "none", "key2": "a"}, ShapeError, "ctx['none'] is to be a list, not null"),
    ({"key1": "a"}, MissingParam, "'key2' is missing"),
    ({}, MissingParam, "'key1' is missing"),
    ({"keys": ["a"], "key1": "b"}, OctoError, "two ways to say one thing"),
    ({"key1": "a", "key2": "batch1", "require": True}, MissingKey, "no key 'batch1'; did you mean batch_"),
    ({"key1": "a", "key2": "b", "merge_fn": "zip"}, ShapeError, "needs lists of one length; there are a 3, b 2"),
    ({"key1": "a", "key2": "b", "merge_fn": "concta"}, OctoError, "there is no 'concta'"),
    ({"key1": "a", "key2": "b", "merge_fn": "no_such:thing"}, OctoError, "no_such"),
    ({"key1": "a", "key2": "b", "merge_fn": len}, ShapeError, "is to return a list, not int 2"),
    ({"key1": "a", "key2": "batch_1", "require_same_type": True}, ShapeError,
     "ctx['batch_1']: row 0 is a list of 1, but ctx['a'] row 0 is a int"),
])
def test_mistakes_write_nothing(ctx: Any, params: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as caught:
        ctx_merge.run(ctx, {"out": "all", **params})
    assert words in str(caught.value) and "all" not in ctx


def test_large_lists() -> None:
    ctx = Context({"a": list(range(100_000)), "b": [{"n": n} for n in range(50_000)]})
    assert ctx_merge.run(ctx, {"key1": "a", "key2": "b", "out": "all"}) == {"merged_len": 150_000}
    assert ctx.last_modified("all") is not None


def test_in_a_recipe_that_stops_in_the_middle(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def one(ctx):
            ctx["part_one"] = [1]
        def two(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
            ctx["part_two"] = [2]
    """)
    project.recipe("""
        steps:
          - {name: one, module: BODY, function: one, parallel: true}
          - {name: two, module: BODY, function: two, parallel: true}
          - name: join
            function: ctx_merge
            params: {keys: ["part_*"], out: all}
            depends_on: [one, two]
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["all"] == [1, 2] and project.steps["join"]["result"] == {"merged_len": 2}
