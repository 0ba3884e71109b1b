"""Any sequence of changes, edits, compactions, undos and reopenings gives the state that a plain dict gives."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from octo.errors import InvalidValue
from octo.store import Author, LockedJson, ParameterStore, checked, diff, dumps, loads, writing_as
from octo.store.background import views
from octo.store.changes import Tree
from octo.store.undo import undo_call
from octo.store.values import copied, crc_is_right, pieces, with_crc
from tests.store.states import apart, records, save

KEYS = st.sampled_from(["a", "b", "c", "rows", "ü /\\\""])
FLAT = st.one_of(st.none(), st.booleans(), st.integers(), st.integers(-(2**80), 2**80),
                 st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8))
VALUES = st.recursive(FLAT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
                      max_leaves=8)
PLAIN = st.one_of(FLAT, st.lists(st.integers(), max_size=3))
COUNTERS = st.sampled_from(["n1", "n2"])


def same(a: Any, b: Any) -> bool:
    """Equal as JSON, to the type of each number."""
    return dumps(_sorted(a)) == dumps(_sorted(b))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


class Model(RuleBasedStateMachine):
    """A store beside a plain dict. The group ctx holds all; an engine may be deferring its JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.store: Any = None

    @initialize(kind=st.sampled_from(["instance", "json"]), limit=st.sampled_from([3, 8, 1000]))
    def begin(self, kind: str, limit: int) -> None:
        self.kind, self.limit = kind, limit
        if kind == "instance":
            store = ParameterStore(self.top / "i", create=True, who="us")
            store.set("global_parameters", {"durability": "os", "history_limit": limit, "run_step_count": 1})
        self._open()
        self.store.set("ctx", {"n1": 0, "n2": 0})
        self.ctx: dict[str, Any] = {"n1": 0, "n2": 0}
        self.snapshots = {self.store.seq: deepcopy(self.ctx)}
        self.saved: list[tuple[str, dict[str, Any], str]] = []

    def _open(self) -> None:
        place = self.top / "i" if self.kind == "instance" else self.top / "a.json"
        if self.store is not None:
            self.store._state_file.deferring = False
        apart(place)
        self.store = (ParameterStore(place, who="us") if self.kind == "instance"
                      else LockedJson(place, default={}, who="us", durability="os"))
        self.store._state_file.history_limit = self.limit
        self.file = self.store._state_file

    def teardown(self) -> None:
        if self.store is not None:
            self.file.deferring = False
            views.cancel(id(self.file))
        shutil.rmtree(self.top, ignore_errors=True)

    # -- our own changes -------------------------------------------------------------------------

    @rule(key=KEYS, value=VALUES)
    def set(self, key: str, value: Any) -> None:
        self.store.set("ctx", key, value)
        self.ctx[key] = deepcopy(value)

    @rule(key=KEYS, inner=KEYS, value=VALUES)
    def set_below(self, key: str, inner: str, value: Any) -> None:
        there = self.ctx.get(key, {})
        try:
            self.store.set("ctx", key, inner, value)
        except InvalidValue:
            assert not isinstance(there, dict)
        else:
            self.ctx.setdefault(key, {})[inner] = deepcopy(value)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        try:
            self.store.delete("ctx", key)
        except KeyError:
            assert key not in self.ctx
        else:
            del self.ctx[key]

    @rule(key=COUNTERS, by=st.integers(-5, 5))
    def increment(self, key: str, by: int) -> None:
        assert self.store.increment("ctx", key, by=by) == self.ctx[key] + by
        self.ctx[key] += by

    @rule(values=st.lists(VALUES, max_size=3))
    def append(self, values: list[Any]) -> None:
        there = self.ctx.get("rows", [])
        try:
            self.store.append("ctx", "rows", values=values)
        except InvalidValue:
            assert not isinstance(there, list)
        else:
            self.ctx.setdefault("rows", []).extend(deepcopy(values))

    @rule(start=st.integers(0, 4), count=st.integers(0, 3), items=st.lists(FLAT, max_size=2))
    def splice(self, start: int, count: int, items: list[Any]) -> None:
        there: Any = self.ctx.get("rows")
        try:
            self.store.splice("ctx", "rows", start=start, count=count, items=items)
        except InvalidValue:
            assert not isinstance(there, list) or start + count > len(there)
        else:
            there[start : start + count] = items

    @rule(key=KEYS, value=VALUES, fails=st.booleans())
    def transaction(self, key: str, value: Any, fails: bool) -> None:
        try:
            with self.store.transaction() as tx:
                tx.set(("ctx", key), value)
                tx.increment(("ctx", "n1"))
                tx.append(("ctx", "list"), [value])
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return
        self.ctx[key] = deepcopy(value)
        self.ctx["n1"] += 1
        self.ctx.setdefault("list", []).append(deepcopy(value))

    # -- an engine's -----------------------------------------------------------------------------

    @precondition(lambda self: self.kind == "instance")
    @rule(key=COUNTERS, by=st.integers(1, 5))
    def count_later(self, key: str, by: int) -> None:
        """The JSON lags behind from here, until it is flushed, or 50 ms have gone."""
        self.file.deferring = True
        with self.file.transaction("engine", later=True) as tx:
            tx.increment(("ctx", key), by)
        self.ctx[key] += by

    @rule()
    def flush(self) -> None:
        self.store.flush()
        self.file.deferring = False

    @precondition(lambda self: self.kind == "instance")
    @rule(work=st.lists(st.tuples(st.booleans(), st.sampled_from(["n1", "n2", "k1", "k2", "log", "log_2", "taken"]),
                                  PLAIN),
                        max_size=6))
    def undo(self, work: list[tuple[bool, str, Any]]) -> None:
        """A call does something, others too; then it is undone: what others did stays, in their order."""
        expected = deepcopy(self.ctx)
        with self.file.transaction("engine", later=True) as tx:
            tx.flags["begin"] = True
        call = self.store.seq
        author = Author("step", 1, call, self.store.path.parent)
        for mine, key, value in work:
            if mine:
                with writing_as(author):
                    self._do(key, value)
            else:
                self._do(key, value)
            if not mine or key == "taken" or key.startswith("log"):
                self._model(expected, key, value)
        with self.file.transaction("engine", later=True) as tx:
            undo_call(tx, self.file.lines_since, call, "ctx")
            tx.flags["end"] = call
        self.ctx = expected

    def _do(self, key: str, value: Any) -> None:
        with self.store.transaction() as tx:
            if key.startswith("n"):
                tx.increment(("ctx", key), 3)
            elif key == "taken":
                if tx.get(("ctx", "log"), []):
                    tx.splice(("ctx", "log"), 0, 1, [], record=True)
            elif key.startswith("log"):
                tx.append(("ctx", "log"), [value], record=True, keep=2 if key == "log_2" else None)
            else:
                tx.set(("ctx", key), value)

    @staticmethod
    def _model(state: dict[str, Any], key: str, value: Any) -> None:
        if key.startswith("n"):
            state[key] += 3
        elif key.startswith("log"):
            state.setdefault("log", []).append(deepcopy(value))
            if key == "log_2":
                del state["log"][:-2]
        elif key == "taken":
            del state.get("log", [])[:1]
        else:
            state[key] = deepcopy(value)

    # -- others ----------------------------------------------------------------------------------

    def _shown(self) -> tuple[str, dict[str, Any]]:
        """The JSON's text, and the ctx in it."""
        text = self.store.path.read_text(encoding="utf-8")
        return text, loads(text.encode())["ctx"]

    @rule()
    def open_in_an_editor(self) -> None:
        with self.file.locked():
            text, ctx = self._shown()
            self.saved.append((text, ctx, str(self.file.view_seq)))

    @rule(key=KEYS, value=PLAIN, delete=st.booleans(), how=st.sampled_from(["rename", "in place"]))
    def edit(self, key: str, value: Any, delete: bool, how: str) -> None:
        with self.file.locked():
            text, base = self._shown()
            self._save(text, base, key, value, delete, how)

    @rule(by=st.integers(1, 9), how=st.sampled_from(["rename", "in place"]))
    def count_in_the_json(self, by: int, how: str) -> None:
        """As a program that takes the lock: what both sides counted adds."""
        from filelock import FileLock

        with FileLock(self.file.layout.lock):
            state = loads(self.store.path.read_bytes())
            state["ctx"]["n1"] += by
            save(self.store.path, dumps(state).decode(), how=how)
        self.store.read()
        self.ctx["n1"] += by

    @precondition(lambda self: self.kind == "instance" and self.saved)
    @rule(key=KEYS, value=PLAIN)
    def save_from_an_editor(self, key: str, value: Any) -> None:
        """It was opened some changes ago: only what was edited counts."""
        text, base, number = self.saved.pop()
        with self.file.locked():
            if self.file.journal.base_seq <= int(number):
                self._save(text, base, key, value, False, "rename")

    def _save(self, text: str, base: dict[str, Any], key: str, value: Any, delete: bool, how: str) -> None:
        old = base.get(key)
        if isinstance(old, dict) or (delete and key not in base) or (not delete and key in base and same(old, value)):
            return
        state = loads(text.encode())
        last_view = state["ctx"] == self._shown()[1]
        if delete:
            del state["ctx"][key]
            self.ctx.pop(key, None)
        else:
            state["ctx"][key] = value
            now = self.ctx.get(key)
            if last_view and type(old) is type(value) is type(now) is int and old != now:
                value = now + value - old
            self.ctx[key] = deepcopy(value)
        save(self.store.path, dumps(state, indent=True).decode(), how=how)

    @rule()
    def touch(self) -> None:
        os.utime(self.store.path)

    @rule(tail=st.binary(min_size=1, max_size=30).filter(lambda data: b"\n" not in data))
    def torn_tail(self, tail: bytes) -> None:
        with open(self.file.layout.journal, "ab") as file:
            file.write(tail)
        self._open()
        self.store.read()

    @rule()
    def compact(self) -> None:
        self.store.compact()

    @rule()
    def reopen(self) -> None:
        self._open()

    # -- what holds always -----------------------------------------------------------------------

    @invariant()
    def is_as_the_model(self) -> None:
        if self.store is None:
            return
        assert same(self.store.get("ctx"), self.ctx)
        self.snapshots[self.store.seq] = deepcopy(self.ctx)
        numbers = [line["seq"] for line in records(self.file.layout.journal)]
        assert numbers == list(range(self.file.journal.base_seq + 1, self.store.seq + 1))
        if not self.file.deferring:
            assert same(self._shown()[1], self.ctx)

    @rule(pick=st.integers(0, 10**6))
    def look_back(self, pick: int) -> None:
        known = [seq for seq in self.snapshots if self.file.journal.base_seq <= seq <= self.store.seq]
        seq = known[pick % len(known)]
        assert same(self.store.at(seq)["ctx"], self.snapshots[seq])

    @precondition(lambda self: len(self.snapshots) > 5)
    @rule()
    def fork(self) -> None:
        name = f"fork {len(list(self.top.iterdir()))}"
        new = self.store.fork(self.top / name)
        assert same(new.get("ctx"), self.ctx)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@given(VALUES, VALUES)
def test_a_difference_applied_gives_the_other(a: Any, b: Any) -> None:
    ops = diff(a, b)
    tree = Tree(copied(a))
    for op in loads(dumps(ops)):
        tree.apply(op)
    assert same(tree.root, b)
    for op in reversed(loads(dumps(ops))):
        tree.revert(op)
    assert same(tree.root, a)
    assert not diff(a, copied(a))


@given(VALUES)
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    for indent in (True, False):
        assert repr(loads(dumps(value, indent=indent))) == repr(value)
        assert json.loads(dumps(value, indent=indent)) == value
    line = with_crc(dumps({"seq": 1, "value": value}))
    assert line.endswith(b"\n") and b"\n" not in line[:-1]
    assert crc_is_right(line[:-1])
    assert not crc_is_right(line[:-2])
    assert checked(value) == value


@pytest.mark.slow
@given(st.lists(VALUES, max_size=30), st.integers(1, 40), st.booleans())
def test_pieces_of_any_size_make_the_whole(value: Any, weight: int, indent: bool) -> None:
    from octo.store import values

    before = values._PIECE_WEIGHT, values._PIECE_TEXT
    values._PIECE_WEIGHT, values._PIECE_TEXT = weight, 3
    try:
        data = b"".join(pieces(value, indent=indent))
    finally:
        values._PIECE_WEIGHT, values._PIECE_TEXT = before
    assert repr(loads(data)) == repr(value)
    assert data.count(b"\n") == dumps(value, indent=indent).count(b"\n")


@given(VALUES, st.lists(st.tuples(KEYS, KEYS, VALUES), max_size=6))
def test_a_frozen_tree_stays_as_it_was(value: Any, changes: list[tuple[str, str, Any]]) -> None:
    tree = Tree({"a": copied(value), "b": {"c": [1]}, "rows": []})
    before = copied(tree.root)
    frozen = tree.freeze()
    for first, second, new in changes:
        for op in ({"op": "set", "path": [first], "value": {}},
                   {"op": "set", "path": [first, second], "value": copied(new)},
                   {"op": "set", "path": ["b"], "value": [1]}, {"op": "append", "path": ["b"], "values": [new]},
                   {"op": "set", "path": ["b", 0], "value": 7}):
            tree.apply(op)
    assert same(frozen, before)
    tree.thaw()
    tree.apply({"op": "set", "path": ["b"], "value": 1})
    assert tree.root["b"] == 1
