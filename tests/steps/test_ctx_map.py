"""ctx_map: a function on every row."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from octo.param import MissingParam
from step_library.data import ctx_map
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def make(request: pytest.FixtureRequest) -> Any:
    return dict if request.param == "dict" else Context


def half(row: Any) -> Any:
    return 10 / row


@pytest.mark.parametrize(("rows", "params", "found"), [
    ([], {"fn": half}, []),
    ([5, 2], {"fn": half}, [2.0, 5.0]),
    ([{"a": 1}, {"a": 2}], {"expr": "row['a'] * 10 + index"}, [10, 21]),
    ([[1, 2]], {"expr": "{'sum': sum(row), 'row': row}"}, [{"sum": 3, "row": [1, 2]}]),
    ([5, 0, 2], {"fn": half, "on_error": "skip"}, [2.0, 5.0]),
    ([5, 0, 2], {"fn": half, "on_error": "record"}, [2.0, None, 5.0]),
    ([5, 0, 2], {"fn": half, "on_error": "record", "drop_none": True}, [2.0, 5.0]),
    ([1, None, 3], {"expr": "row", "drop_none": True}, [1, 3]),
    ([4, 5], {"fn": lambda row: (row, row)}, [[4, 4], [5, 5]]),
    ([4, 5], {"fn": lambda row: float("nan") if row == 4 else 1.0}, [None, 1.0]),
    ([2, 4, 5], {"fn": half, "threads": 3, "strict": True}, [5.0, 2.5, 2.0]),
])
def test_what_comes_out(make: Any, rows: Any, params: dict[str, Any], found: Any) -> None:
    ctx = make({"rows": rows})
    assert ctx_map.run(ctx, {"key": "rows", **params}) == {"mapped": "rows_mapped"}
    assert ctx["rows_mapped"] == found
    if make is dict:
        json.dumps(ctx, allow_nan=False)
        assert not any(isinstance(row, tuple) for row in ctx["rows_mapped"])
    assert ctx["rows"] == rows


def test_rows_that_failed_are_told(make: Any) -> None:
    ctx = make({"rows": [5, 0, 2, 0]})
    ctx_map.run(ctx, {"key": "rows", "fn": half, "on_error": "record", "threads": 2})
    assert [(each["index"], each["error"][:17]) for each in ctx["map_errors"]] == [
        (1, "ZeroDivisionError"), (3, "ZeroDivisionError")]


def test_numpy_scalars_become_numbers() -> None:
    import numpy

    ctx: dict[str, Any] = {"rows": [1, 4]}
    ctx_map.run(ctx, {"key": "rows", "fn": numpy.sqrt})
    assert ctx["rows_mapped"] == [1.0, 2.0] and type(ctx["rows_mapped"][0]) is float


def test_a_look_at_the_first_rows_writes_nothing(make: Any) -> None:
    ctx = make({"rows": [1, 2, 0]})
    assert ctx_map.run(ctx, {"key": "rows", "fn": half, "preview": 2}) == {"mapped": "rows_mapped",
                                                                          "preview": [10.0, 5.0]}
    assert list(ctx) == ["rows"]


def test_the_result_may_take_the_list_s_place(make: Any) -> None:
    ctx = make({"rows": [1, 2]})
    ctx_map.run(ctx, {"key": "rows", "expr": "row + 1", "out": "rows"})
    assert ctx["rows"] == [2, 3]


def change(row: Any) -> Any:
    row.append(1)
    return row


@pytest.mark.parametrize(("rows", "params", "error", "words"), [
    ([1, 0], {"fn": half}, ZeroDivisionError, "division by zero"),
    ([1, 0], {"fn": half, "threads": 2}, ZeroDivisionError, "division by zero"),
    ("text", {"fn": half}, ShapeError, "ctx['rows'] is to be a list, not str 'text'"),
    ({"a": 1}, {"fn": half}, ShapeError, "not a dict of 1"),
    ([1], {}, MissingParam, "parameter 'fn' is missing"),
    ([1], {"fn": half, "expr": "row"}, OctoError, "'fn' and 'expr' are two ways"),
    ([{"a": 1}, {}], {"expr": "row['a']"}, ValueError, "ctx['rows']: row 1: the expression \"row['a']\": KeyError"),
    ([1, "2"], {"expr": "row + 1"}, ValueError, "row 1: the expression 'row + 1': TypeError: "),
    ([1], {"expr": "wert"}, OctoError, "it may use row, index and the functions"),
    ([1], {"fn": "no_such:thing"}, OctoError, "no_such"),
    ([1], {"fn": half, "threads": 0}, OctoError, "'threads' is to be 1 or more, not 0"),
    ([1], {"fn": half, "preview": -1}, OctoError, "'preview' is to be 0 or more"),
    ([[1], [2]], {"fn": change, "strict": True}, ShapeError, "ctx['rows']: row 0 was changed in place"),
    ([1], {"fn": lambda row: {"x": [1, {2}]}, "strict": True}, ShapeError, "row 0 is no JSON: it has a set"),
    ([1], {"fn": lambda row: {1: 2}, "strict": True}, ShapeError, "a key that is no text: 1"),
])
def test_mistakes_write_nothing(make: Any, rows: Any, params: Any, error: Any, words: str) -> None:
    ctx = make({"rows": rows})
    with pytest.raises(error) as caught:
        ctx_map.run(ctx, {"key": "rows", **params})
    assert words in str(caught.value) and list(ctx) == ["rows"]


def test_a_key_that_is_not_there(make: Any) -> None:
    with pytest.raises(MissingKey, match=r"ctx has no key 'rowz'; did you mean rows\?"):
        ctx_map.run(make({"rows": []}), {"key": "rowz", "fn": half})


def test_many_rows(make: Any) -> None:
    ctx = make({"rows": list(range(100_000))})
    ctx_map.run(ctx, {"key": "rows", "fn": str})
    assert len(ctx["rows_mapped"]) == 100_000 and ctx["rows_mapped"][99_999] == "99999"


def test_in_a_recipe_that_stops_in_the_middle(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def double(row):
            return row * 2
        def add(row):
            if not Path("go").exists():
                raise ValueError("not yet")
            return row + 1
    """)
    project.recipe("""
        ctx: {rows: [1, 2]}
        steps:
          - {name: double, function: ctx_map, params: {key: rows, fn: "BODY:double"}}
          - {name: add, function: ctx_map, params: {key: rows_mapped, fn: "BODY:add", out: end}, depends_on: double}
    """)
    assert project.run().status == "COMPLETE_ERROR" and "end" not in project.ctx
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["end"] == [3, 5] and project.steps["double"]["attempt"] == 1


def test_threads_work_together() -> None:
    meeting = threading.Barrier(3)

    def meet(row: int) -> int:
        meeting.wait(30)
        return row + 1

    ctx: dict[str, Any] = {"rows": [1, 2, 3]}
    ctx_map.run(ctx, {"key": "rows", "fn": meet, "threads": 3})
    assert ctx["rows_mapped"] == [2, 3, 4]
