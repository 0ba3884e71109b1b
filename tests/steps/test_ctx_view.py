"""ctx_view: pages of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from step_library.data import ctx_view
from tests.recipe.runs import Project

ROWS = [{"id": 1, "status": "ok", "v": 42, "at": {"x": 1}}, {"id": 2, "status": "fail", "v": 99},
        {"id": 3, "status": "ok", "v": 16, "none": None}, {"id": 4, "v": None, "a__gt": 7}]


@pytest.fixture(params=["dict", "Context"])
def make(request: pytest.FixtureRequest) -> Any:
    return dict if request.param == "dict" else Context


@pytest.mark.parametrize(("params", "ids", "total"), [
    ({}, [1, 2, 3, 4], 4),
    ({"filter": {"status": "ok"}}, [1, 3], 2),
    ({"filter": {"status": "ok", "v": 16}}, [3], 1),
    ({"filter": {"none": None}}, [3], 1),
    ({"filter": {"no": 1}}, [], 0),
    ({"page": 1, "page_size": 3}, [4], 4),
    ({"page": 9, "page_size": 3}, [], 4),
    ({"filter": {"v__gt": 16, "v__lte": 99}}, [1, 2], 2),
    ({"filter": {"status__in": ["fail"]}}, [2], 1),
    ({"filter": {"status__contains": "O"}}, [1, 3], 2),
    ({"filter": {"status__ne": "ok"}}, [2], 1),
    ({"filter": {"at.x": 1}}, [1], 1),
    ({"filter": {"a__gt": 7}}, [4], 1),
    ({"expr": "row['id'] > 2"}, [3, 4], 2),
    ({"expr": "row['v'] > 20"}, [1, 2], 2),
    ({"sort_by": "v"}, [3, 1, 2, 4], 4),
    ({"sort_by": "v", "reverse": True, "page_size": 2}, [2, 1], 4),
    ({"reverse": True}, [4, 3, 2, 1], 4),
])
def test_which_rows(make: Any, params: dict[str, Any], ids: list[int], total: int) -> None:
    ctx = make({"rows": ROWS})
    found = ctx_view.run(ctx, {"key": "rows", **params})
    assert ([row["id"] for row in found["view"]], found["total"]) == (ids, total) and list(ctx) == ["rows"]
    assert ctx_view.run(ctx, {"key": "rows", "out": "page", **params}) == found == ctx["page"]


def test_the_rows_are_copies() -> None:
    ctx = {"rows": [{"a": 1}]}
    ctx_view.run(ctx, {"key": "rows"})["view"][0]["a"] = 2
    assert ctx["rows"] == [{"a": 1}]
    ctx = {"rows": [{"a": [1]}]}
    found = ctx_view.run(ctx, {"key": "rows", "out": "page"})
    found["view"][0]["a"].append(2)
    ctx["page"]["view"][0]["a"].append(3)  # type: ignore[call-overload]
    assert ctx["rows"] == [{"a": [1]}] and found["view"] == [{"a": [1, 2]}]


def test_null_is_no_text(make: Any) -> None:
    ctx = make({"rows": [{"a": None}, {"a": "None"}]})
    assert ctx_view.run(ctx, {"key": "rows", "filter": {"a__contains": "non"}})["view"] == [{"a": "None"}]


@pytest.mark.parametrize(("rows", "params", "error", "words"), [
    (ROWS, {"page": -1}, ValueError, "'page' is to be 0 or more, not -1"),
    (ROWS, {"page_size": 0}, ValueError, "'page_size' is to be 1 or more"),
    (ROWS, {"filter": {"v__in": 3}}, OctoError, "'v__in' needs a list, not int 3"),
    (ROWS, {"filter": {"v__contains": 3}}, OctoError, "'v__contains' needs text"),
    (ROWS, {"filter": [1]}, OctoError, "'filter' is to be dict"),
    (ROWS, {"expr": "row >"}, OctoError, "cannot be read"),
    ([{"a": 1}, {"a": "x"}], {"sort_by": "a"}, ShapeError, "cannot be sorted by 'a'"),
    ([{"a": 1}, [2]], {}, ShapeError, "ctx['rows']: row 1 is to be a dict, not a list of 1"),
    ("text", {}, ShapeError, "is to be a list"),
])
def test_mistakes(make: Any, rows: Any, params: Any, error: Any, words: str) -> None:
    ctx = make({"rows": rows})
    with pytest.raises(error) as caught:
        ctx_view.run(ctx, {"key": "rows", "out": "page", **params})
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and "page" not in ctx


def test_nothing_there(make: Any) -> None:
    assert ctx_view.run(make({"rows": []}), {"key": "rows", "filter": {"a": 1}}) == {"view": [], "total": 0}
    with pytest.raises(MissingKey):
        ctx_view.run(make({}), {"key": "rows"})


def test_many_rows(make: Any) -> None:
    ctx = make({"rows": [{"id": n, "even": n % 2 == 0} for n in range(50_000)]})
    found = ctx_view.run(ctx, {"key": "rows", "filter": {"even": True}, "page": 2, "page_size": 10})
    assert found["total"] == 25_000 and found["view"][0]["id"] == 40


def test_in_a_recipe_that_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def work():
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        ctx: {rows: [{id: 1}, {id: 2}]}
        steps:
          - {name: view, function: ctx_view, params: {key: rows, filter: {id: 2}, out: page}}
          - {name: work, module: BODY, function: work, depends_on: view}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and project.steps["view"]["attempt"] == 1
    assert project.ctx["page"] == {"view": [{"id": 2}], "total": 1}
