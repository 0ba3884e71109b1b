"""ctx_stats: columns of numbers."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from octo.scriptlet import call
from octo.store import ParameterStore
from step_library.data import ctx_stats
from tests.recipe.runs import Project

NAMED = [["t", "volt"], ["08:00", 1], ["08:01", None], ["08:02", 4]]


def stats(rows: Any, **params: Any) -> Any:
    ctx: dict[str, Any] = {"rows": rows}
    assert ctx_stats.run(ctx, {"key": "rows", "out": "stats", **params}) == {"stats": "stats"}
    json.dumps(ctx, allow_nan=False)
    return ctx["stats"]


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=20))
def test_it_is_what_the_standard_library_says(rows: list[list[float]]) -> None:
    found = stats(rows, stats=["mean", "std", "min", "max", "median", "count"])
    columns = list(zip(*rows, strict=True))
    assert found["mean"] == pytest.approx([statistics.fmean(c) for c in columns], abs=1e-6)
    assert found["std"] == pytest.approx([statistics.pstdev(c) for c in columns], abs=1e-3)
    assert (found["min"], found["max"]) == ([*map(min, columns)], [*map(max, columns)])
    assert found["median"] == pytest.approx([statistics.median(c) for c in columns])
    assert found["count"] == [len(rows)] * 3


def test_null_makes_the_result_null_unless_it_is_to_be_something() -> None:
    rows = [[1, None], [2, 4], [3, 8]]
    assert stats(rows)["mean"] == [2.0, None]
    means = {missing: stats(rows, missing=missing)["mean"][1] for missing in ("ignore", "mean", "median", "zero")}
    assert means == {"ignore": 6.0, "mean": 6.0, "median": 6.0, "zero": 4.0}
    assert stats([[None], [None]], missing="ignore", stats=["mean", "count"]) == {"mean": [None], "count": [0]}


def test_columns_with_names() -> None:
    assert stats(NAMED, headers=True, columns=["volt"], missing="ignore")["mean"] == {"volt": 2.5}
    assert stats([[1, 2]], headers=["a", "b"], select=["b", 0], stats=["sum"]) == {"sum": {"b": 2.0, "a": 1.0}}
    assert stats([{"a": 1, "b": 2}, {"a": 3}], stats=["max"]) == {"max": {"a": 3.0, "b": None}}
    assert stats([[1, "x"], [3, "y"]], columns=[-2], stats=["p50"]) == {"p50": [2.0]}


def test_the_table_as_text() -> None:
    ctx: dict[str, Any] = {"rows": [[1, 2], [3, 5]]}
    ctx_stats.run(ctx, {"key": "rows", "out": "s", "stats": ["mean"], "headers": ["a|b", "<c>"], "table": "markdown"})
    assert ctx["s_table"] == "| column | mean |\n| --- | --- |\n| a\\|b | 2 |\n| <c> | 3.5 |\n"
    ctx_stats.run(ctx, {"key": "rows", "out": "s", "stats": ["mean"], "headers": ["a|b", "<c>"], "table": "html"})
    assert "<td>&lt;c&gt;</td><td>3.5</td>" in ctx["s_table"]


@pytest.mark.parametrize(("rows", "params", "error", "words"), [
    ([], {}, ShapeError, "ctx['rows'] has no rows of numbers"),
    ([], {"headers": True}, ShapeError, "is empty; its first row"),
    ("text", {}, ShapeError, "ctx['rows'] is to be a list, not str 'text'"),
    ([1, 2], {}, ShapeError, "row 0 is to be a list, not int 1"),
    ([[1, 2], 3], {}, ShapeError, "row 1 is to be a list, not int 3"),
    ([[1, 2], [3]], {}, ShapeError, "row 1 has 1 columns, the first has 2"),
    ([[1, 2], [3, "bad"]], {}, ShapeError, "row 1, column 1 is no number, but str 'bad'"),
    (NAMED, {"headers": True}, ShapeError, "row 0, column 't' is no number, but str '08:00'"),
    ([[1, "x"], [2, []]], {"columns": [1]}, ShapeError, "row 0, column 1 is no number"),
    ([[1]], {"columns": [4]}, ShapeError, "has 1 columns, no column 4"),
    ([[1]], {"columns": ["a"]}, ShapeError, "column 'a' is a name, but the columns have none; give headers"),
    ([[1]], {"headers": ["volt"], "columns": ["vot"]}, MissingKey, "no column 'vot'; did you mean volt?"),
    ([{"volt": 1}], {"columns": ["vot"]}, MissingKey, "no row has a column 'vot'; did you mean volt?"),
    ([[1]], {"headers": ["a", "b"]}, ShapeError, "2 names for 1 columns"),
    ([[1, 2]], {"headers": ["a", "a"]}, ShapeError, "ctx['rows']: two columns are called 'a'; choose one by columns"),
    ([["a", "b", "a"], [1, 2, 3]], {"headers": True, "columns": [0, 2]}, ShapeError, "two columns are called 'a'"),
    ([[1]], {"columns": []}, OctoError, "no column is chosen"),
    ([{"volt": 1}, [2]], {}, ShapeError, "row 1 is to be a dict, as the first is, not a list of 1"),
    ([[1]], {"stats": ["mode"]}, ShapeError, "there is no 'mode'; there are mean, std"),
    ([[1]], {"missing": "skip"}, OctoError, "one of 'propagate', 'ignore'"),
    ([[1]], {"colums": []}, OctoError, "did you mean columns?"),
])
def test_mistakes_say_where(rows: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    ctx = {"rows": rows}
    with pytest.raises(error) as caught:
        ctx_stats.run(ctx, {"key": "rows", "out": "stats", **params})
    assert words in str(caught.value) and list(ctx) == ["rows"]


def test_columns_of_a_plain_dict_may_be_named_by_numbers() -> None:
    ctx: dict[str, Any] = {"rows": [{1: 2.0}, {1: 4.0}]}
    ctx_stats.run(ctx, {"key": "rows", "out": "s", "columns": [1], "stats": ["mean"], "table": "markdown"})
    assert ctx["s"] == {"mean": {"1": 3.0}}


def test_a_key_that_is_not_there() -> None:
    with pytest.raises(KeyError, match=r"^ctx has no key 'rowz'; did you mean rows\?$"):
        ctx_stats.run({"rows": []}, {"key": "rowz", "out": "stats"})
    with pytest.raises(OctoError, match="'out' is missing"):
        ctx_stats.run({"rows": []}, {"key": "rows"})


@pytest.mark.slow
def test_a_large_table_on_a_context() -> None:
    rows = numpy.arange(300_000.0).reshape(100_000, 3).tolist()
    ctx = Context({"rows": rows})
    call(ctx_stats.run, ctx, {"key": "rows", "out": "stats"})
    assert ctx["stats"]["max"] == [299_997.0, 299_998.0, 299_999.0]
    assert ctx.last_modified("stats") is not None


def test_the_documented_result_is_a_dict_at_out() -> None:
    """The first documented example: the dict of statistics is in `ctx["sensor_stats"]`."""
    ctx: dict[str, Any] = {"sensor_readings": [[1, 2], [3, 6]]}
    ctx_stats.run(ctx, {"key": "sensor_readings", "out": "sensor_stats"})
    assert ctx["sensor_stats"] == {"mean": [2.0, 4.0], "std": [1.0, 2.0], "min": [1.0, 2.0], "max": [3.0, 6.0]}


def test_the_documented_recipe(tmp_path: Path) -> None:
    """The third documented example: it cannot work, for the rows begin with a time; with `columns` it does.

    Its `background: true` is left out and a step that waits put in: else ctx_stats may come before the first row.
    """
    project = Project(tmp_path / "p")
    recipe = """
        steps:
          - {name: init_ctx, function: ctx_init, params: {keys: [measurements]}}
          - name: fill_ctx
            function: ctx_row_updater
            params: {key: measurements, n: 3, interval_sec: 0.01, max_rows: 2}
            depends_on: [init_ctx]
          - name: wait
            function: ctx_job_status
            params: {job_id: "row_updater:measurements", wait: 30}
            depends_on: [fill_ctx]
          - name: stats
            function: ctx_stats
            params: {key: measurements, out: measurement_stats, COLUMNS}
            depends_on: [wait]
    """
    project.recipe(recipe.replace(", COLUMNS", ""))
    assert project.run().status == "COMPLETE_ERROR"
    assert "ctx['measurements']: row 0, column 0 is no number, but str '" in project.steps["stats"]["error"]["message"]
    project.recipe(recipe.replace("COLUMNS", "columns: [1, 2, 3]"), "fixed.yaml")
    assert project.run("fixed.yaml").status == "COMPLETE_SUCCESS"
    found = ParameterStore(project.folder / "fixed.octo").read()["ctx"]["measurement_stats"]
    assert [len(found[name]) for name in ("mean", "std", "min", "max")] == [3] * 4


def test_a_bar_chart_of_the_means() -> None:
    """The fourth documented example: a chart in Dash takes `ctx["my_data_stats"]["mean"]` as it is."""
    dash, plotly = pytest.importorskip("dash"), pytest.importorskip("plotly.graph_objects")
    ctx = Context({"my_data": [[1, 2], [3, 6]]})
    ctx_stats.run(ctx, {"key": "my_data", "out": "my_data_stats"})
    chart = dash.dcc.Graph(figure=plotly.Figure(plotly.Bar(y=ctx["my_data_stats"]["mean"])))
    assert list(chart.figure.data[0].y) == [2.0, 4.0]


def test_one_of_two_columns_of_one_name() -> None:
    assert stats([[1, 5]], headers=["a", "a"], columns=[1], stats=["sum"]) == {"sum": {"a": 5.0}}
