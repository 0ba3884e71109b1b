"""Copies of ctx, in ctx and in files: what all steps of the theme state rely on."""

from __future__ import annotations

import copy
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octo.context import Context
from octo.errors import ShapeError, StoreError
from step_library.kit.files.snapshots import NoJson, encoded, load, write, write_new
from step_library.kit.values.ctx_copies import copied_ctx
from step_library.state import (
    ctx_checkpoint,
    ctx_restore,
    ctx_rollback,
    ctx_set_debug,
    ctx_snapshot,
    ctx_step_rollback_point,
)

VALUES = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
                      lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(st.text(max_size=2), inner, max_size=3), max_leaves=6)
ACTS = st.lists(st.one_of(
    st.tuples(st.just("set"), st.sampled_from("abc"), VALUES),
    st.tuples(st.sampled_from(["save", "restore"]), st.sampled_from(["x", "y"]), st.none()),
    st.tuples(st.sampled_from(["mark", "back"]), st.sampled_from(["p", "q"]), st.booleans()),
), max_size=12)


@settings(max_examples=40, deadline=None)
@given(ACTS)
def test_whatever_the_order_a_point_is_what_was_there_when_it_was_made(acts: list[Any]) -> None:
    there: list[Any] = [{}, Context()]
    now: dict[str, Any] = {}
    points: dict[str, dict[str, Any]] = {}
    for act, name, value in acts:
        if act == "set":
            now[name] = value
        elif act in ("save", "mark"):
            points[name] = dict(now)
        elif name in points:
            now = dict(points[name])
        for ctx in there:
            if act == "set":
                ctx[name] = value
            elif act in ("save", "restore"):
                ctx_checkpoint.run(ctx, {"action": act, "name": name})
            elif act == "mark":
                ctx_step_rollback_point.run(ctx, {"action": act, "out": name})
            elif name in points:
                ctx_step_rollback_point.run(ctx, {"action": "restore", "in": name})
            assert copied_ctx(ctx) == now
            assert {key: ctx[key] for key in points if key in "pq"} == {
                key: point for key, point in points.items() if key in "pq"}
            assert ctx.get("_checkpoints", {}) == {key: point for key, point in points.items() if key in "xy"}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=3), VALUES, max_size=4), st.booleans(), st.booleans())
def test_a_file_is_what_was_written(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any], meta: bool,
                                    packed: bool) -> None:
    path = tmp_path_factory.mktemp("s") / "deep" / "s.json"
    write(path, encoded(data, {"by": "me"} if meta else None, packed=packed))
    assert load(str(path)) == data


def test_files_that_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    whole = gzip.compress(json.dumps({"a": list(range(500))}).encode())
    for length in (5, 12, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="cannot be read"):
            load(str(path))
    with pytest.raises(StoreError, match="cannot be read"):
        load(str(tmp_path))


def test_the_error_says_where_and_can_be_copied() -> None:
    error = copy.copy(NoJson("the snapshot s is no JSON: oh", '{"a":\n x', 7))
    assert error.lineno == 2 and "line 2 column 2" in error.message


def test_names_that_are_not_taken_from_many_threads(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: write_new(str(tmp_path / "d"), "s", ".json", f'{{"n": {n}}}'.encode()),
                             range(40)))
    assert sorted(load(path)["n"] for path in made) == list(range(40))
    assert len(list((tmp_path / "d").iterdir())) == 40


def test_a_scope_of_a_context() -> None:
    ctx = Context({"other": 1, "s.a": 1})
    scope = ctx.scope("s")
    ctx_checkpoint.run(scope, {"action": "save", "name": "x"})
    scope["a"] = 2
    ctx_checkpoint.run(scope, {"action": "restore", "name": "x"})
    assert (scope["a"], ctx["other"], ctx["s._checkpoints"]) == (1, 1, {"x": {"a": 1}})


def test_a_record_that_cannot_be_kept_is_told_before_ctx_is_touched(tmp_path: Path) -> None:
    path = str(tmp_path / "s.json")
    Path(path).write_text('{"a": 1}')
    for step, params, key in (
        (ctx_restore, {"file": path, "record": True}, "restore_history"),
        (ctx_rollback, {"snapshot": path}, "rollback_history"),
        (ctx_step_rollback_point, {"action": "restore", "file": path, "record": True}, "restore_history"),
        (ctx_snapshot, {"restore": path}, "restore_history"),
        (ctx_set_debug, {"log": True}, "log"),
    ):
        before = {"errors": ["e"], key: 5}
        for ctx in (dict(before), Context(before)):
            with pytest.raises(ShapeError, match=key):
                step.run(ctx, params)
            assert ctx == before
