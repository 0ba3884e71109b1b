"""ctx_indexer: from a value to its row."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from octo.param import MissingParam
from step_library.data import ctx_indexer

PEOPLE = [{"id": 101, "name": "Alice", "at": {"city": "Bern"}}, {"id": 102, "name": "Bob", "at": {"city": "Basel"}},
          {"id": 103, "name": "Alice", "at": {"city": "Bern"}}]
TIMES = [["2024-08-26T00:00:00", 1.0, 2], ["2024-08-26T01:00:00", 3.0, 4]]


@pytest.fixture(params=["dict", "Context"])
def make(request: pytest.FixtureRequest) -> Any:
    return dict if request.param == "dict" else Context


def test_the_printed_example() -> None:
    """Example 0: with numbers as keys on a plain dict, as printed; on a Context they are text, as in JSON."""
    plain: dict[str, Any] = {"records": PEOPLE}
    assert ctx_indexer.run(plain, {"key": "records", "index_by": "id"}) == {"indexed": "records_index", "count": 3}
    assert plain["records_index"] == {101: 0, 102: 1, 103: 2} and plain["records_index"].get(99999) is None
    assert plain["records"][plain["records_index"][102]]["name"] == "Bob"
    ctx = Context({"records": PEOPLE})
    ctx_indexer.run(ctx, {"key": "records", "index_by": "id"})
    assert ctx["records_index"] == {"101": 0, "102": 1, "103": 2} == json.loads(json.dumps(plain["records_index"]))
    assert ctx.last_modified("records_index") is not None


@pytest.mark.parametrize(("rows", "params", "index"), [
    ([], {"index_by": "id"}, {}),
    (PEOPLE, {"index_by": "name"}, {"Alice": 2, "Bob": 1}),
    (PEOPLE, {"index_by": "name", "multi": True}, {"Alice": [0, 2], "Bob": [1]}),
    (PEOPLE, {"index_by": "at.city"}, {"Bern": 2, "Basel": 1}),
    (PEOPLE, {"index_by": ["name", "id"]}, {'["Alice", 101]': 0, '["Bob", 102]': 1, '["Alice", 103]': 2}),
    (TIMES, {"index_by_pos": 0}, {TIMES[0][0]: 0, TIMES[1][0]: 1}),
    (TIMES, {"index_by": "ts", "header": ["ts", "a", "b"]}, {TIMES[0][0]: 0, TIMES[1][0]: 1}),
    ([["ts", "v"], *TIMES], {"index_by": "ts", "header": True}, {TIMES[0][0]: 1, TIMES[1][0]: 2}),
    (TIMES, {"index_by_pos": [0, 2]}, {f'["{TIMES[0][0]}", 2]': 0, f'["{TIMES[1][0]}", 4]': 1}),
    ([{"a": "x"}, {"b": 1}, {"a": "y"}], {"index_by": "a", "missing": "skip"}, {"x": 0, "y": 2}),
])
def test_what_comes_out(make: Any, rows: Any, params: dict[str, Any], index: Any) -> None:
    ctx = make({"rows": rows})
    assert ctx_indexer.run(ctx, {"key": "rows", "out": "found", **params})["count"] == len(index)
    assert ctx["found"] == index and ctx["rows"] == rows


def test_the_result_tells_what_is_not_one_to_one(make: Any) -> None:
    ctx = make({"rows": [*PEOPLE, {"x": 1}]})
    assert ctx_indexer.run(ctx, {"key": "rows", "index_by": "name", "missing": "skip"}) == {
        "indexed": "rows_index", "count": 2, "duplicates": 1, "skipped": 1}


@pytest.mark.parametrize(("rows", "params", "error", "words"), [
    (PEOPLE, {}, MissingParam, "'index_by' is missing"),
    (PEOPLE, {"index_by": []}, OctoError, "at least one field"),
    (PEOPLE, {"index_by": "id", "index_by_pos": 1}, OctoError, "give one of them"),
    (PEOPLE, {"index_by": "nam"}, MissingKey, "ctx['rows']: row 0 has no field 'nam'; did you mean name?"),
    ([PEOPLE[0], {}], {"index_by": "id"}, MissingKey, "row 1 has no field 'id'"),
    ([PEOPLE[0], 7], {"index_by": "id"}, ShapeError, "row 1 is to be a dict, not int 7"),
    ([PEOPLE[0], 7], {"index_by": "id", "missing": "skip"}, ShapeError, "row 1 is to be a dict, not int 7"),
    (PEOPLE, {"index_by": "at"}, ShapeError, "row 0 cannot be indexed by 'at', which is a dict of 1 there"),
    (PEOPLE, {"index_by": "name", "unique": True}, ShapeError, "rows 0 and 2 both have 'Alice'"),
    (TIMES, {"index_by": "ts"}, ShapeError, "its rows are lists, so column 'ts' needs header"),
    (TIMES, {"index_by": "tz", "header": ["ts", "a", "b"]}, MissingKey, "no column 'tz'; did you mean ts?"),
    (TIMES, {"index_by_pos": 5}, MissingKey, "row 0 has 3 columns, no column 5"),
    ([], {"index_by": "a", "header": True}, ShapeError, "its first row is to name the columns"),
    ("text", {"index_by": "a"}, ShapeError, "is to be a list, not str 'text'"),
])
def test_mistakes_write_nothing(make: Any, rows: Any, params: Any, error: Any, words: str) -> None:
    ctx = make({"rows": rows})
    with pytest.raises(error) as caught:
        ctx_indexer.run(ctx, {"key": "rows", **params})
    assert words in str(caught.value) and list(ctx) == ["rows"]


def test_a_key_that_is_not_there(make: Any) -> None:
    with pytest.raises(MissingKey, match="ctx has no key 'rows'"):
        ctx_indexer.run(make({}), {"key": "rows", "index_by": "id"})


def test_it_is_made_anew_only_when_that_is_due(make: Any) -> None:
    ctx = make({"rows": list(PEOPLE), "rows_index": {"old": 1}})
    kept = ctx_indexer.run(ctx, {"key": "rows", "index_by": "name", "rebuild": "if_missing"})
    assert kept == {"indexed": "rows_index", "count": 1, "rebuilt": False} and ctx["rows_index"] == {"old": 1}
    time.sleep(0.01)  # so that the clock tells which is newer
    assert ctx_indexer.run(ctx, {"key": "rows", "index_by": "name"})["count"] == 2
    again = ctx_indexer.run(ctx, {"key": "rows", "index_by": "name", "rebuild": "if_changed"})
    assert again.get("rebuilt") is (False if make is Context else None)
    ctx["rows"].append({"name": "Eve"})
    ctx_indexer.run(ctx, {"key": "rows", "index_by": "name", "rebuild": "if_changed"})
    assert ctx["rows_index"]["Eve"] == 3


def test_many_rows(make: Any) -> None:
    ctx = make({"rows": [{"id": f"r{n}"} for n in range(100_000)]})
    assert ctx_indexer.run(ctx, {"key": "rows", "index_by": "id"})["count"] == 100_000
    assert ctx["rows_index"]["r99999"] == 99_999


def test_the_key_of_the_index(make: Any) -> None:
    """The second and third documented examples: the index is at key + "_index", which has None for what is unknown."""
    ctx = make({"big_data": [{"id": "a"}, {"id": "b"}], "user_activity": [{"user_id": "u1"}]})
    ctx_indexer.run(ctx, {"key": "big_data", "index_by": "id"})
    ctx_indexer.run(ctx, {"key": "user_activity", "index_by": "user_id"})
    assert ctx["big_data_index"] == {"a": 0, "b": 1}
    assert ctx["user_activity_index"].get("u1") == 0 and ctx["user_activity_index"].get(99999) is None


def test_rows_that_are_lists_by_position() -> None:
    """The fourth documented example, proposed there: by column 1, whose numbers a Context has as text."""
    ctx: dict[str, Any] = {"ts_data": TIMES}
    ctx_indexer.run(ctx, {"key": "ts_data", "index_by_pos": 1})
    assert ctx["ts_data_index"] == {1.0: 0, 3.0: 1}
    live = Context(ts_data=TIMES)
    ctx_indexer.run(live, {"key": "ts_data", "index_by_pos": 1})
    assert live["ts_data_index"] == {"1.0": 0, "3.0": 1}


def test_rows_that_are_lists_by_name() -> None:
    """The fifth documented example, proposed there: `header` names the columns."""
    ctx: dict[str, Any] = {"ts_data": TIMES}
    ctx_indexer.run(ctx, {"key": "ts_data", "header": ["ts", "val1", "id"], "index_by": "id"})
    assert ctx["ts_data_index"] == {2: 0, 4: 1}


def test_all_rows_of_a_day(make: Any) -> None:
    """The sixth documented example, proposed there: rows 7, 19 and 42 are of that day."""
    ctx = make({"sales": [{"date": "2024-05-01" if n in (7, 19, 42) else "2024-04-30"} for n in range(50)]})
    ctx_indexer.run(ctx, {"key": "sales", "index_by": "date", "multi": True})
    assert ctx["sales_index"]["2024-05-01"] == [7, 19, 42]


def test_by_two_fields_together(make: Any) -> None:
    """The seventh documented example, proposed there; JSON has no tuples as keys: both are one text of JSON."""
    ctx = make({"events": [{"user": "ann", "date": "d1"}, {"user": "ann", "date": "d2"}]})
    ctx_indexer.run(ctx, {"key": "events", "index_by": ["user", "date"]})
    assert ctx["events_index"][json.dumps(["ann", "d2"])] == 1


@pytest.mark.parametrize("there", [None, 5, [1]])
def test_what_is_no_index_does_not_count_as_one(make: Any, there: Any) -> None:
    ctx = make({"rows": list(PEOPLE), "rows_index": there})
    for rebuild in ("if_missing", "if_changed"):
        assert ctx_indexer.run(ctx, {"key": "rows", "index_by": "name", "rebuild": rebuild})["count"] == 2
        assert ctx["rows_index"] == {"Alice": 2, "Bob": 1}
