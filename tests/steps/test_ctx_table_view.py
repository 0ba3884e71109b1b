"""ctx_table_view: rows for table widgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from step_library.data import ctx_table_view, ctx_view
from tests.recipe.runs import Project

FOO = [{"A": 1, "B": "x"}, {"B": None, "C": 2.5}]


@pytest.fixture(params=["dict", "Context"])
def make(request: pytest.FixtureRequest) -> Any:
    return dict if request.param == "dict" else Context


@pytest.mark.parametrize(("rows", "params", "ids", "cells"), [
    ([], {}, [], []),
    (FOO, {}, ["A", "B", "C"], FOO),
    ([[1], [2, 3]], {}, ["col0", "col1"], [{"col0": 1}, {"col0": 2, "col1": 3}]),
    (FOO, {"columns": ["B", "A"]}, ["B", "A"], [{"A": 1, "B": "x"}, {"B": None}]),
    (FOO, {"columns": ["A"], "fill": "-"}, ["A"], [{"A": 1}, {"A": "-"}]),
    ("text", {"strict": False}, [], []),
    ({"a": 1}, {"strict": False}, [], []),
    ([1, 2], {"strict": False}, [], []),
])
def test_columns_and_rows(make: Any, rows: Any, params: dict[str, Any], ids: list[str], cells: Any) -> None:
    ctx = make({"rows": rows})
    found = ctx_table_view.run(ctx, {"key": "rows", **params})
    assert found == {"table": "rows_table", "columns": len(ids), "rows": len(cells)}
    assert ctx["rows_table"] == {"columns": [{"name": each, "id": each} for each in ids], "rows": cells}


def test_heads_types_and_where_it_is_from(make: Any) -> None:
    ctx = make({"rows": FOO})
    columns = [{"name": "Custom Name", "id": "A"}, {"id": "B", "hideable": True}, "C", "none"]
    ctx_table_view.run(ctx, {"key": "rows", "out": "t", "columns": columns, "types": True, "source": True})
    assert ctx["t"]["columns"] == [
        {"name": "Custom Name", "id": "A", "type": "numeric"},
        {"name": "B", "id": "B", "hideable": True, "type": "text"},
        {"name": "C", "id": "C", "type": "numeric"}, {"name": "none", "id": "none", "type": "any"}]
    assert ctx["t"]["source"] == {"key": "rows", "rows": 2}


def test_names_that_are_no_text() -> None:
    ctx: dict[str, Any] = {"rows": [{1: "a"}]}
    ctx_table_view.run(ctx, {"key": "rows"})
    assert ctx["rows_table"] == {"columns": [{"name": "1", "id": "1"}], "rows": [{"1": "a"}]}


@pytest.mark.parametrize(("rows", "params", "error", "words"), [
    ("text", {}, ShapeError, "ctx['rows'] is to be a list of rows, not str 'text'"),
    ({"a": 1}, {}, ShapeError, "not a dict of 1"),
    ([1], {}, ShapeError, "row 0 is to be a list or a dict, not int 1"),
    ([{"a": 1}, [2]], {}, ShapeError, "row 1 is to be a dict, not a list of 1"),
    (FOO, {"columns": [{"name": "x"}]}, OctoError, "columns[0] is to be a column's id"),
])
def test_mistakes_write_nothing(make: Any, rows: Any, params: Any, error: Any, words: str) -> None:
    ctx = make({"rows": rows})
    with pytest.raises(error) as caught:
        ctx_table_view.run(ctx, {"key": "rows", **params})
    assert words in str(caught.value) and isinstance(caught.value, ValueError) and list(ctx) == ["rows"]


def test_a_key_that_is_not_there(make: Any) -> None:
    with pytest.raises(MissingKey):
        ctx_table_view.run(make({}), {"key": "rows", "strict": False})


def test_many_rows(make: Any) -> None:
    ctx = make({"rows": [[n, str(n)] for n in range(50_000)]})
    assert ctx_table_view.run(ctx, {"key": "rows"})["rows"] == 50_000
    assert ctx["rows_table"]["rows"][49_999] == {"col0": 49_999, "col1": "49999"}


def test_in_a_recipe_that_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def load(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
            ctx["rows"] = [{"a": 1}]
    """)
    project.recipe("""
        steps:
          - {name: load, module: BODY, function: load}
          - {name: table, function: ctx_table_view, params: {key: rows}, depends_on: load}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["rows_table"] == {"columns": [{"name": "a", "id": "a"}], "rows": [{"a": 1}]}


def test_the_key_without_out(make: Any) -> None:
    """The fourth documented example: without `out` the table is at `ctx["mydata_table"]`."""
    ctx = make({"mydata": FOO})
    assert ctx_table_view.run(ctx, {"key": "mydata"})["table"] == "mydata_table" and "mydata_table" in ctx


@pytest.mark.parametrize("rows", [[{"col0": 1, "col1": 2}], [[1, 2]]], ids=["dicts", "lists"])
def test_rows_of_either_kind(make: Any, rows: list[Any]) -> None:
    """The fifth documented example: dicts or lists may come in."""
    ctx = make({"summary_data": rows})
    ctx_table_view.run(ctx, {"key": "summary_data", "out": "formatted_table"})
    assert ctx["formatted_table"]["rows"] == [{"col0": 1, "col1": 2}]


def test_lists_of_unequal_length(make: Any) -> None:
    """The sixth documented example: as many columns as the longest row, and no cells for what a row lacks."""
    ctx = make({"rows": [[1], [2, 3, 4], []]})
    assert ctx_table_view.run(ctx, {"key": "rows"}) == {"table": "rows_table", "columns": 3, "rows": 3}
    assert ctx["rows_table"]["rows"] == [{"col0": 1}, {"col0": 2, "col1": 3, "col2": 4}, {}]


def test_heads_of_ones_own(make: Any) -> None:
    """The eighth documented example, wished for there: `columns` gives the heads and their order."""
    columns = [{"name": "Custom Name", "id": "A"}, {"name": "Other", "id": "B"}]
    ctx = make({"foo": [{"B": "x", "A": 1}]})
    ctx_table_view.run(ctx, {"key": "foo", "out": "foo_table", "columns": columns})
    assert ctx["foo_table"]["columns"] == columns


def test_one_sorted_page_of_rows_as_a_table(make: Any) -> None:
    ctx = make({"rows": [{"n": 1}, {"n": 3}, {"n": 2}]})
    ctx_view.run(ctx, {"key": "rows", "sort_by": "n", "reverse": True, "page_size": 2, "out": "page"})
    ctx_table_view.run(ctx, {"key": "page", "out": "table", "source": True})
    assert ctx["table"] == {"columns": [{"name": "n", "id": "n"}], "rows": [{"n": 3}, {"n": 2}],
                            "source": {"key": "page", "rows": 2}}
