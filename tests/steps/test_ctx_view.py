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


def test_the_second_page_of_fifty(make: Any) -> None:
    """The second documented example: rows 51 to 100, counted from 1, and the number of all."""
    ctx = make({"test_data": [{"n": n} for n in range(1, 121)]})
    found = ctx_view.run(ctx, {"key": "test_data", "page": 1, "page_size": 50})
    assert [row["n"] for row in found["view"]] == list(range(51, 101)) and found["total"] == 120


def test_the_third_ten_of_those_that_fit(make: Any) -> None:
    """The third documented example: rows 21 to 30 of those with status fail."""
    ctx = make({"test_data": [{"n": n, "status": "fail" if n % 2 else "ok"} for n in range(80)]})
    found = ctx_view.run(ctx, {"key": "test_data", "filter": {"status": "fail"}, "page": 2, "page_size": 10})
    assert [row["n"] for row in found["view"]] == list(range(41, 61, 2)) and found["total"] == 40


def test_the_caller_keeps_it(make: Any) -> None:
    """The fourth documented example: the caller puts view and total into ctx."""
    ctx = make({"test_data": ROWS})
    output = ctx_view.run(ctx, {"key": "test_data", "filter": {"status": "ok"}})
    ctx.update({"test_data_view": output["view"], "test_data_total": output["total"]})
    assert ctx["test_data_view"] == [ROWS[0], ROWS[2]] and ctx["test_data_total"] == 2


def test_a_table_that_asks_for_its_pages(make: Any) -> None:
    """The fifth documented example: the callback of a DataTable, with its page_current and page_size."""
    ctx = make({"test_data": ROWS})

    def rows_shown(selected: str | None, page_current: int, page_size: int) -> Any:
        chosen = {"status": selected} if selected else {}
        return ctx_view.run(ctx, {"key": "test_data", "filter": chosen, "page": page_current,
                                  "page_size": page_size})["view"]

    assert rows_shown("ok", 1, 1) == [ROWS[2]] and rows_shown(None, 0, 2) == ROWS[:2]


def test_numbers_summed_up_over_all_that_fit(make: Any) -> None:
    ctx = make({"rows": [*ROWS, {"v": True}, {"v": "text"}], "odd": [{"v": float("nan")}] if make is dict else [{}]})
    found = ctx_view.run(ctx, {"key": "rows", "page_size": 1, "summary": ["v", "at.x", "no"], "out": "page"})
    assert found["summary"] == {
        "v": {"count": 3, "sum": 157, "mean": 157 / 3, "min": 16, "max": 99},
        "at.x": {"count": 1, "sum": 1, "mean": 1.0, "min": 1, "max": 1},
        "no": {"count": 0, "sum": None, "mean": None, "min": None, "max": None}}
    assert ctx["page"] == found and len(found["view"]) == 1
    filtered = ctx_view.run(ctx, {"key": "rows", "filter": {"status": "ok"}, "summary": ["v"]})["summary"]
    assert (filtered["v"]["count"], filtered["v"]["sum"]) == (2, 58)
    assert ctx_view.run(ctx, {"key": "odd", "summary": ["v"]})["summary"]["v"]["count"] == 0
    for huge in ([1e308, 1e308], [10**400, 1.5], [10**400]):
        ctx["huge"] = [{"v": value} for value in huge]
        told = ctx_view.run(ctx, {"key": "huge", "summary": ["v"], "out": "page"})["summary"]["v"]
        assert told == {"count": len(huge), "sum": None, "mean": None, "min": min(huge), "max": max(huge)}


def test_an_offset_instead_of_a_page(make: Any) -> None:
    ctx = make({"rows": ROWS})
    for offset, ids in ((0, [1, 2]), (1, [2, 3]), (3, [4]), (9, [])):
        found = ctx_view.run(ctx, {"key": "rows", "offset": offset, "limit": 2})
        assert [row["id"] for row in found["view"]] == ids and found["total"] == 4
    for wrong, words in (({"offset": -1}, "'offset' is to be 0 or more"), ({"offset": 1, "page": 1}, "one or the")):
        with pytest.raises(ValueError, match=words):
            ctx_view.run(ctx, {"key": "rows", **wrong})


def test_a_view_of_a_view(make: Any) -> None:
    ctx = make({"rows": ROWS, "row": {"view": 3, "total": 1}})
    ctx_view.run(ctx, {"key": "rows", "filter": {"status": "ok"}, "out": "good"})
    assert ctx_view.run(ctx, {"key": "good", "filter": {"v__lt": 20}}) == {"view": [ROWS[2]], "total": 1}
    with pytest.raises(ShapeError, match="is to be a list, not a dict of 2"):
        ctx_view.run(ctx, {"key": "row"})
