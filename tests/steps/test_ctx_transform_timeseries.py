"""ctx_transform_timeseries: columns chosen, scaled and smoothed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from step_library.data import ctx_transform_timeseries as step
from tests.recipe.runs import Project

RAW = [["2024-01-01T00:00:00", 10.0, 5.0], ["2024-01-01T01:00:00", 12.0, 7.0], ["2024-01-01T02:00:00", 9.0, 4.0]]
Z = [-0.267261, 1.336306, -1.069045]


@pytest.fixture(params=["dict", "Context"])
def make(request: pytest.FixtureRequest) -> Any:
    return dict if request.param == "dict" else Context


def test_the_printed_examples(make: Any) -> None:
    """Examples 0 to 5, whose results or data are printed nowhere, and the rolling mean of the last note."""
    ctx = make({"ts_raw": RAW, "ts": [[1, 1.0, 2.0], [2, 2.0, 4.0], [3, 3.0, 8.0]], "r": [[1, 2], [2, 4], [3, 8]]})
    step.run(ctx, {"key": "ts_raw", "out": "z", "select": [1, 2], "normalize": True})
    assert numpy.allclose(ctx["z"], [[z, z] for z in Z], atol=1e-6)
    step.run(ctx, {"key": "ts", "out": "z", "select": [1, 2], "normalize": True})
    assert numpy.allclose(ctx["z"], [[-1.224745, -1.069045], [0.0, -0.267261], [1.224745, 1.336306]], atol=1e-6)
    step.run(ctx, {"key": "r", "out": "z", "rolling_window": 2})
    assert ctx["z"] == [[1.5, 3.0], [2.5, 6.0]]
    step.run(ctx, {"key": "ts_raw", "out": "sel_only", "select": [1]})
    step.run(ctx, {"key": "r", "out": "values_norm", "normalize": True})
    step.run(ctx, {"key": "ts_raw", "out": "raw_copy"})
    assert ctx["sel_only"] == [[10.0], [12.0], [9.0]] and ctx["raw_copy"] == RAW
    assert numpy.allclose(numpy.mean(ctx["values_norm"], axis=0), 0) and numpy.allclose(
        numpy.var(ctx["values_norm"], axis=0), 1)
    assert ctx["ts_raw"] == RAW


@pytest.mark.parametrize(("rows", "params", "found"), [
    ([], {}, []),
    (RAW, {}, RAW),
    (RAW, {"select": [0, -1]}, [[row[0], row[2]] for row in RAW]),
    (RAW, {"select": ["b"], "headers": ["ts", "a", "b"]}, [[5.0], [7.0], [4.0]]),
    ([["ts", "a"], ["x", 1]], {"select": ["a"], "headers": True}, [[1]]),
    ([{"t": "x", "v": 1}, {"t": "y"}], {"select": ["v"]}, [[1], [None]]),
    ([[3], [3]], {"normalize": True}, [[0.0], [0.0]]),
    ([[0.1], [0.1], [0.1]], {"normalize": True}, [[0.0], [0.0], [0.0]]),
    ([[1], [None], [3]], {"normalize": True}, [[None], [None], [None]]),
    ([[1], [None], [3]], {"normalize": True, "missing": "ignore"}, [[-1.0], [None], [1.0]]),
    ([[1], [None], [3]], {"normalize": True, "missing": "drop"}, [[-1.0], [1.0]]),
    ([[1], [2], [9]], {"rolling_window": 3, "rolling": "median", "pad": True}, [[None], [None], [2.0]]),
])
def test_what_comes_out(make: Any, rows: Any, params: dict[str, Any], found: Any) -> None:
    ctx = make({"rows": rows})
    assert step.run(ctx, {"key": "rows", "out": "new", **params}) == {"transformed": "new"}
    assert ctx["new"] == found and ctx["rows"] == rows
    json.dumps(ctx["new"] if make is dict else ctx.plain("new"), allow_nan=False)


def test_a_copy_is_one() -> None:
    ctx: dict[str, Any] = {"rows": [[1, [2]]]}
    step.run(ctx, {"key": "rows", "out": "new"})
    ctx["new"][0][1].append(3)
    assert ctx["rows"] == [[1, [2]]]
    ctx = {"rows": [{"a": 1, "b": [2]}]}
    step.run(ctx, {"key": "rows", "out": "new"})
    ctx["new"][0][1].append(3)
    assert ctx["rows"] == [{"a": 1, "b": [2]}]


@pytest.mark.parametrize(("rows", "params", "error", "words"), [
    (RAW, {"normalize": True}, ShapeError, "row 0, column 0 is no number, but str '2024"),
    ([], {"normalize": True}, ShapeError, "has no rows of numbers"),
    ([[1, 2], [3]], {"normalize": True}, ShapeError, "row 1 has 1 columns, the first has 2"),
    ([[1, 2], [3]], {"select": [1]}, ShapeError, "row 1 has 1 columns, not 2"),
    ([[1], [2, 3]], {"select": [0]}, ShapeError, "row 1 has 2 columns, not 1"),
    ([[1, 2], [3, 4, 5]], {}, ShapeError, "row 1 has 3 columns, not 2"),
    ([["a", "b"], [1]], {"headers": True}, ShapeError, "row 1 has 1 columns, not 2"),
    ([[1, 2]], {"headers": ["a"]}, ShapeError, "row 0 has 2 columns, not 1"),
    ([[1, 2]], {"select": [2]}, MissingKey, "row 0 has 2 columns, no column 2"),
    ([{"volt": 1}], {"select": ["vot"]}, MissingKey, "no row has a column 'vot'; did you mean volt?"),
    ([{"volt": 1}, [2]], {}, ShapeError, "row 1 is to be a dict, not a list of 1"),
    ([{"volt": 1}, [2]], {"normalize": True}, ShapeError, "row 1 is to be a dict, as the first is, not a list of 1"),
    (RAW, {"select": []}, OctoError, "no column is chosen"),
    (RAW, {"select": [], "normalize": True}, OctoError, "no column is chosen"),
    ([[1], 2], {}, ShapeError, "row 1 is to be a list, not int 2"),
    (RAW, {"select": ["a"]}, ShapeError, "needs header"),
    (RAW, {"out": "rows"}, OctoError, "give another key, or in_place: true"),
    (RAW, {"rolling_window": 0}, OctoError, "'rolling_window' is to be 1 or more"),
    ([[1]], {"rolling_window": 2}, ShapeError, "has 1 rows, fewer than rolling_window 2"),
    ("text", {}, ShapeError, "is to be a list"),
])
def test_mistakes_write_nothing(make: Any, rows: Any, params: Any, error: Any, words: str) -> None:
    ctx = make({"rows": rows})
    with pytest.raises(error) as caught:
        step.run(ctx, {"key": "rows", "out": "new", **params})
    assert words in str(caught.value) and list(ctx) == ["rows"] and ctx["rows"] == rows


@pytest.mark.slow
def test_in_place_and_many_rows(make: Any) -> None:
    ctx = make({"rows": numpy.arange(150_000.0).reshape(50_000, 3).tolist()})
    step.run(ctx, {"key": "rows", "out": "rows", "in_place": True, "select": [2], "normalize": True})
    assert len(ctx["rows"]) == 50_000 and len(ctx["rows"][0]) == 1 and ctx["rows"][0][0] < -1.7


def test_in_a_recipe_that_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def load(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
            ctx["rows"] = [["a", 1], ["b", 3]]
    """)
    project.recipe("""
        steps:
          - {name: load, module: BODY, function: load}
          - name: scale
            function: ctx_transform_timeseries
            params: {key: rows, out: z, select: [1], normalize: true}
            depends_on: load
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["z"] == [[-1.0], [1.0]]


def test_dicts_of_other_keys_and_of_none(make: Any) -> None:
    ctx = make({"rows": [{}, {"b": 1}, {"a": [2], "b": None}]})
    step.run(ctx, {"key": "rows", "out": "new"})
    assert ctx["new"] == [[None, None], [1, None], [None, [2]]]
    step.run(ctx, {"key": "rows", "out": "new", "select": ["a"]})
    assert ctx["new"] == [[None], [None], [[2]]]
    plain: dict[str, Any] = {"rows": [{1: 2}]}
    step.run(plain, {"key": "rows", "out": "new", "select": [1]})
    assert plain["new"] == [[2]]


HOURS = [["2024-01-01T00:10:00", 1.0, None], ["2024-01-01T00:50:00", 3.0, 4.0], ["2024-01-01T03:00:00", 8.0, 6.0]]


@pytest.mark.parametrize(("rows", "params", "found"), [
    (HOURS, {"time": 0}, HOURS),
    (HOURS, {"time": 0, "select": [1], "missing": "drop", "normalize": True},
     [[HOURS[0][0], -1.0190493307], [HOURS[1][0], -0.3396831102], [HOURS[2][0], 1.3587324409]]),
    (HOURS, {"time": 0, "missing": "drop", "rolling_window": 2}, [[HOURS[2][0], 5.5, 5.0]]),
    (HOURS, {"time": 0, "select": [1], "rolling_window": 2, "pad": True},
     [[HOURS[0][0], None], [HOURS[1][0], 2.0], [HOURS[2][0], 5.5]]),
    (HOURS, {"time": 0, "resample": 3600},
     [["2024-01-01T00:00:00", 2.0, 4.0], ["2024-01-01T01:00:00", None, None], ["2024-01-01T02:00:00", None, None],
      ["2024-01-01T03:00:00", 8.0, 6.0]]),
    (HOURS, {"time": 0, "resample": 3600, "missing": "drop"},
     [["2024-01-01T00:00:00", 2.0, 4.0], ["2024-01-01T03:00:00", 8.0, 6.0]]),
    ([{"v": 5, "t": "2024-01-01T05:30:00+02:00"}], {"time": "t", "resample": 3600},
     [["2024-01-01T05:00:00+02:00", 5.0]]),
    ([["t", "v"], [7, 1], [3, 2], [-1, 3]], {"time": "t", "headers": True, "resample": 5},
     [[-5, 3.0], [0, 2.0], [5, 1.0]]),
    ([[0.5, 1], [0.75, 2]], {"time": -2, "resample": 0.25}, [[0.5, 1.0], [0.75, 2.0]]),
    ([["2024-01-01T00:00:00Z", 1]], {"time": 0, "resample": 60}, [["2024-01-01T00:00:00+00:00", 1.0]]),
    ([[4], [8], [8]], {"ewma": 0.5}, [[4.0], [6.0], [7.0]]),
    ([[4], [None], [8]], {"ewma": 0.5}, [[4.0], [None], [None]]),
    ([[None], [4], [None], [8]], {"ewma": 0.5, "missing": "ignore"}, [[None], [4.0], [None], [6.0]]),
])
def test_times_and_smoothing(make: Any, rows: Any, params: dict[str, Any], found: Any) -> None:
    ctx = make({"rows": rows})
    step.run(ctx, {"key": "rows", "out": "new", **params})
    made = ctx["new"] if make is dict else ctx.plain("new")
    assert [len(row) for row in made] == [len(row) for row in found] and ctx["rows"] == rows
    for row, wanted in zip(made, found, strict=True):
        assert [cell if isinstance(cell, str) or cell is None else pytest.approx(cell) for cell in row] == wanted
    json.dumps(made, allow_nan=False)


@pytest.mark.parametrize(("rows", "params", "names"), [
    (HOURS, {}, ["0", "1", "2"]),
    (HOURS, {"select": [-1, 0]}, ["2", "0"]),
    (HOURS, {"select": [-1, 1], "time": 0}, ["0", "2", "1"]),
    (HOURS, {"headers": ["t", "a", "b"], "time": "t"}, ["t", "a", "b"]),
    (HOURS, {"headers": ["t", "a", "b"], "select": ["b"]}, ["b"]),
    ([{"a": 1, "t": 0, "b": 2}], {"time": "t"}, ["t", "a", "b"]),
    ([{"a": 1, "b": 2}], {}, ["a", "b"]),
    ([], {}, []),
    ([], {"headers": ["a", "b"], "select": ["b"]}, ["b"]),
    ([], {"headers": ["a", "b"], "select": [5]}, []),
])
def test_the_names_of_the_columns(make: Any, rows: Any, params: dict[str, Any], names: list[str]) -> None:
    ctx = make({"rows": rows})
    step.run(ctx, {"key": "rows", "out": "new", "columns_out": "names", **params})
    assert ctx["names"] == names and all(len(row) == len(names) for row in ctx["new"])


@pytest.mark.parametrize(("rows", "params", "words"), [
    (HOURS, {"resample": 60}, "'time' is missing"),
    (HOURS, {"time": 0, "resample": 0}, "'resample' is to be a number of seconds above 0"),
    (HOURS, {"time": 0, "resample": 1e-9}, "seconds make 10,200,"),
    (HOURS, {"time": 7}, "row 0 has 3 columns, no column 7"),
    (HOURS, {"time": "t"}, "needs header"),
    ([["t", "v"]], {"time": "t", "headers": True}, "has no rows of numbers"),
    ([], {"time": 0}, "has no rows of numbers"),
    ([["yesterday", 1]], {"time": 0}, "the time of row 0 is neither ISO text nor a number of seconds, but str 'yes"),
    ([[None, 1]], {"time": 0}, "but null"),
    ([["2024-01-01", 1], [5, 1]], {"time": 0}, "are to be of one form, not number and without a zone"),
    ([["2024-01-01", 1], ["2024-01-01T00:00:00Z", 1]], {"time": 0}, "not with a zone and without a zone"),
    ([{"t": 1, "v": 1}, {"v": 2}], {"time": "t"}, "row 1 has no field 't'"),
    ([[1]], {"ewma": 0}, "'ewma' is to be above 0 and at most 1, not 0"),
    ([[1]], {"ewma": 1.5}, "'ewma' is to be above 0"),
    ([[1]], {"columns_out": "new"}, "'columns_out' is 'new', as out is"),
    ([["x"]], {"time": 0}, "row 0"),
    ([[1]], {"time": 0}, "no column is chosen"),
])
def test_mistakes_with_times(make: Any, rows: Any, params: dict[str, Any], words: str) -> None:
    ctx = make({"rows": rows})
    with pytest.raises(OctoError) as caught:
        step.run(ctx, {"key": "rows", "out": "new", **params})
    assert words in str(caught.value) and list(ctx) == ["rows"]


def test_the_names_do_not_take_the_rows_place(make: Any) -> None:
    ctx = make({"rows": [[1], [3]]})
    with pytest.raises(ValueError, match="'columns_out' is 'rows', as key is"):
        step.run(ctx, {"key": "rows", "out": "new", "columns_out": "rows"})
    assert ctx["rows"] == [[1], [3]]
