"""Whatever is done to a file, and in whatever order, it holds what a plain dict would hold."""

from __future__ import annotations

import copy
import json
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from octo.errors import InvalidValue, UsageError
from octo.store import Author, LockedJson, ParameterStore, diff, dumps, loads, writing_as
from octo.store import values as values_module
from octo.store.changes import Tree
from octo.store.undo import undo_call
from octo.store.values import copied, pieces
from tests.store.states import apart, save, shown

KEYS = st.sampled_from(["a", "b", "c"])
NUMBERS = st.integers(-9, 9) | st.sampled_from([2**63, 2**64, -(10**30)])
FLOATS = st.floats(-1e6, 1e6).map(lambda number: number + 0.0)  # no -0.0, which is equal to 0.0
TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
PLAIN = st.none() | st.booleans() | NUMBERS | FLOATS | TEXTS
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS, inner, max_size=3),
    max_leaves=8,
)
CTX = st.dictionaries(KEYS, JSON, max_size=3)

# -- the model: a dict, and changes as (kind, path, arguments) -----------------------------------

ABSENT = object()
Primitive = tuple[str, tuple[Any, ...], tuple[Any, ...]]


class Misfit(Exception):
    """The change cannot be made."""


def exact(value: Any) -> str:
    """Tells 1 from 1.0 and true; the order of keys does not count."""
    return json.dumps(value, sort_keys=True)


def find(state: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        if isinstance(state, dict) and part in state:
            state = state[part]
        elif isinstance(state, list) and isinstance(part, int) and -len(state) <= part < len(state):
            state = state[part]
        else:
            return ABSENT
    return state


def lay(state: Any, change: Primitive) -> None:
    """Make one change, or raise Misfit and make none."""
    kind, path, args = change
    args = copy.deepcopy(args)
    there, holder, last = find(state, path), find(state, path[:-1]), path[-1]
    if kind in ("append", "splice"):
        begins = kind == "append" and args[1:] and isinstance(holder, dict) and isinstance(last, str)
        if there is ABSENT and begins:
            holder[last] = list(args[0])
        elif not isinstance(there, list):
            raise Misfit
        elif kind == "append":
            there.extend(args[0])
        elif args[0] + args[1] > len(there):
            raise Misfit
        else:
            there[args[0] : args[0] + args[1]] = args[2]
        return
    if isinstance(holder, list) and (not isinstance(last, int) or there is ABSENT):
        raise Misfit
    if not isinstance(holder, (dict, list)) or (isinstance(holder, dict) and not isinstance(last, str)):
        raise Misfit
    if kind == "make":
        if not isinstance(there, dict):
            holder[last] = {}
    elif kind == "set":
        holder[last] = args[0]
    elif kind == "delete":
        if there is ABSENT or not isinstance(holder, dict):
            raise Misfit
        del holder[last]
    else:
        number = 0 if there is ABSENT and args[1:] else there
        if type(number) not in (int, float):
            raise Misfit
        holder[last] = number + args[0]


def primitives(state: Any, kind: str, path: tuple[Any, ...], args: tuple[Any, ...]) -> list[Primitive]:
    """What a call of a transaction's method comes down to."""
    for position, part in enumerate(path):  # counted from a list's end
        if isinstance(part, int) and part < 0 and find(state, path[: position + 1]) is not ABSENT:
            path = (*path[:position], part + len(find(state, path[:position])), *path[position + 1 :])
    there = find(state, path)
    if kind == "delete":
        if there is ABSENT:
            raise Misfit
        if isinstance(path[-1], int):
            return [("splice", path[:-1], (path[-1], 1, []))]
        return [("delete", path, ())]
    if kind == "splice":
        return [("splice", path, args)]
    made: list[Primitive] = []
    for length in range(1, len(path)):
        if find(state, path[:length]) is ABSENT:
            if not isinstance(path[length], str):
                raise Misfit
            made.append(("make", path[:length], ()))
        elif not isinstance(find(state, path[:length]), (dict, list)):
            raise Misfit
    new = there is ABSENT and kind in ("increment", "append")
    last: Primitive = (kind, path, (*args, "new") if new else args)
    if kind == "set" and there is ABSENT and args[0] == {} and isinstance(args[0], dict):
        last = ("make", path, ())
    return [*made, last]


def done(state: Any, kind: str, path: tuple[Any, ...], args: tuple[Any, ...]) -> tuple[Any, list[Primitive]]:
    """The state after the call, and what it came down to; Misfit where it must fail."""
    after = copy.deepcopy(state)
    changes = primitives(after, kind, path, args)
    for change in changes:
        lay(after, change)
    return after, changes


# -- what may be done ----------------------------------------------------------------------------

PLACES = st.tuples(st.sampled_from(["ctx", "ctx", "ctx", "g"]),
                   st.lists(KEYS | st.integers(-2, 2), max_size=3)).map(lambda both: (both[0], *both[1]))
CALLS = st.one_of(
    st.tuples(st.just("set"), PLACES, st.tuples(JSON)),
    st.tuples(st.just("delete"), PLACES, st.just(())),
    st.tuples(st.just("increment"), PLACES, st.tuples(st.integers(-3, 3) | st.sampled_from([0.5, 2**64]))),
    st.tuples(st.just("append"), PLACES, st.tuples(st.lists(JSON, max_size=2))),
    st.tuples(st.just("splice"), PLACES,
              st.tuples(st.integers(0, 3), st.integers(0, 2), st.lists(JSON, max_size=2))),
)


class Machine(RuleBasedStateMachine):
    """Two processes, a person with an editor, and calls of steps, all on one file."""

    LIMIT = 3

    def open(self) -> LockedJson:
        raise NotImplementedError

    def begin_state(self) -> dict[str, Any]:
        raise NotImplementedError

    @initialize(state=CTX)
    def start(self, state: dict[str, Any]) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.directory = Path(self.place.name).resolve()
        self.file = self.directory / "a.json"
        self.state = {**self.begin_state(), "ctx": state}
        self.stores = [self.open()]
        with self.stores[0].transaction() as tx:
            for group, value in self.state.items():
                tx.set((group,), value)
        self.reopen_one(1)
        self.seq = 1
        self.snapshots = {1: copy.deepcopy(self.state)}
        self.call = 0
        self.before: Any = None
        self.log: list[tuple[bool, Primitive]] = []

    def reopen_one(self, number: int) -> None:
        apart(self.file)
        self.stores[number:number + 1] = [self.open()]
        self.stores[number]._state_file.history_limit = self.LIMIT

    def reached(self, state: Any) -> None:
        self.seq += 1
        self.state = state
        self.snapshots[self.seq] = copy.deepcopy(state)

    @rule(which=st.integers(0, 1), calls=st.lists(CALLS, min_size=1, max_size=3), drop=st.integers(0, 4),
          by_call=st.booleans())
    def change(self, which: int, calls: list[Any], drop: int, by_call: bool) -> None:
        by_call = by_call and self.call > 0
        author = Author("load", 1, self.call, self.directory)
        state, changes = self.state, []
        with writing_as(author) if by_call else nullcontext(), suppress(ZeroDivisionError):
            with self.stores[which].transaction() as tx:
                for kind, path, args in calls:
                    try:
                        state, came_to = done(state, kind, path, args)
                    except Misfit:
                        with pytest.raises((KeyError, InvalidValue)):
                            getattr(tx, kind)(path, *args)
                        continue
                    getattr(tx, kind)(path, *copy.deepcopy(args))
                    changes += came_to
                assert exact(tx.peek(())) == exact(state)
                if drop == 0:
                    raise ZeroDivisionError
        if drop and changes:
            self.log += [(by_call, change) for change in changes]
            self.reached(state)

    @rule(which=st.integers(0, 1), calls=st.lists(CALLS, min_size=1, max_size=2),
          how=st.sampled_from(["rename", "in place"]), like_octo=st.booleans())
    def edit(self, which: int, calls: list[Any], how: str, like_octo: bool) -> None:
        new = json.loads(self.file.read_text(encoding="utf-8"))
        state, old = self.state, new
        for kind, path, args in calls:
            with suppress(Misfit):
                new, _ = done(new, kind, path, args)
                state, _ = done(state, kind, path, args)
        save(self.file, dumps(new, indent=True).decode() + "\n" if like_octo else json.dumps(new), how=how)
        if exact(new) != exact(old):
            for op in diff(self.state, state):
                kind, args = op["op"], (op["value"],) if op["op"] == "set" else ()
                if exact(args) == "[{}]" and "old" not in op:
                    kind, args = "make", ()
                self.log.append((False, (kind, tuple(op["path"]), args)))
            self.stores[which].read()
            self.reached(state)

    @rule(which=st.integers(0, 1))
    def compact(self, which: int) -> None:
        self.stores[which].compact()

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.reopen_one(which)

    @precondition(lambda self: not self.call)
    @rule(which=st.integers(0, 1))
    def begin(self, which: int) -> None:
        with self.stores[which]._state_file.transaction("engine") as tx:
            tx.flags["begin"] = True
        self.reached(self.state)
        self.call, self.before, self.log = self.seq, copy.deepcopy(self.state), []

    @precondition(lambda self: self.call)
    @rule(which=st.integers(0, 1))
    def end(self, which: int) -> None:
        with self.stores[which]._state_file.transaction("engine") as tx:
            tx.flags["end"] = self.call
        self.reached(self.state)
        self.call = 0

    @precondition(lambda self: self.call)
    @rule(which=st.integers(0, 1))
    def fail(self, which: int) -> None:
        file = self.stores[which]._state_file
        with file.transaction("engine") as tx:
            undo_call(tx, file.lines_since, self.call, "ctx")
            tx.flags.update(end=self.call, fence=self.call)
        state = copy.deepcopy(self.state)
        group = self.without_call()
        state.pop("ctx", None)
        if group is not ABSENT:
            state["ctx"] = group
        self.reached(state)
        self.call = 0

    def without_call(self) -> Any:
        """What `ctx` would be had only the others been there."""
        keeps = ("make", ("ctx",), ())
        if not any(mine and change[1][0] == "ctx" and change != keeps for mine, change in self.log):
            return find(self.state, ("ctx",))
        state = copy.deepcopy(self.before)
        for mine, change in self.log:
            if change[1][0] == "ctx" and (not mine or change == keeps):
                with suppress(Misfit):
                    lay(state, change)
        return find(state, ("ctx",))

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        for store in self.stores:
            assert exact(store.read()) == exact(self.state)
            assert store.seq == self.seq
        assert exact(shown(self.stores[0])) == exact(self.state)

    @rule(which=st.integers(0, 1))
    def look_back(self, which: int) -> None:
        store = self.stores[which]
        base = store._state_file.journal.base_seq
        for seq in range(max(base, 1), self.seq + 1):
            assert exact(store.at(seq)) == exact(self.snapshots[seq]), seq
        with pytest.raises(UsageError):
            store.at(base - 1)
        assert base <= max(1, self.seq - self.LIMIT)
        assert not self.call or base < self.call

    def teardown(self) -> None:
        if hasattr(self, "stores"):
            self.look_back(0)
            self.reopen_one(1)
            self.holds_what_the_model_holds()
            for store in self.stores:
                store._state_file.close()
            self.place.cleanup()


class AnyJson(Machine):
    def open(self) -> LockedJson:
        return LockedJson(self.file, default={}, durability="os")

    def begin_state(self) -> dict[str, Any]:
        return {}


class Instance(Machine):
    def open(self) -> LockedJson:
        store = ParameterStore(self.directory, create=True)
        self.file = store.path
        return store

    def begin_state(self) -> dict[str, Any]:
        return {"global_parameters": {"durability": "os", "history_limit": self.LIMIT}}


FEW = settings(max_examples=60, stateful_step_count=25, deadline=None, database=None,
               suppress_health_check=list(HealthCheck))
TestAnyJson = AnyJson.TestCase
TestAnyJson.settings = FEW
TestInstance = Instance.TestCase
TestInstance.settings = FEW

# -- what was found ------------------------------------------------------------------------------


@pytest.mark.parametrize("opened_anew", [True, False])
@pytest.mark.parametrize("how", ["rename", "in place"])
def test_what_was_before_may_be_saved_again(how: str, opened_anew: bool, tmp_path: Path) -> None:
    """A person puts a copy back; a plain JSON has no checkpoint that would tell its age."""
    path = tmp_path / "a.json"
    data = LockedJson(path, default={})
    data.set("n", 1)
    text = path.read_text()
    data.set("n", 2)
    save(path, text, how=how)
    if opened_anew:
        apart(path)
        data = LockedJson(path)
    assert data.read() == {"n": 1}
    assert data.increment("n") == 2
    assert json.loads(path.read_text()) == {"n": 2}


def test_a_failed_change_makes_no_dict_on_its_way(store: ParameterStore) -> None:
    with store.transaction() as tx:
        tx.set(("ctx", "there"), 1)
        for place in (("ctx", "a", "b", 0), ("g", "a", 0, "b"), ("g", "a", None)):
            for change in (lambda p: tx.set(p, 1), tx.increment, lambda p: tx.append(p, [1])):
                with pytest.raises(InvalidValue):
                    change(place)
    assert store.get("ctx") == {"there": 1}
    assert "g" not in store.read()


@pytest.mark.parametrize(
    ("before", "deleted", "other", "after"),
    [
        ({"n": 5}, ("ctx", "n"), lambda tx: tx.increment(("ctx", "n")), {"n": 6}),
        ({"rows": [1]}, ("ctx", "rows"), lambda tx: tx.append(("ctx", "rows"), [2]), {"rows": [1, 2]}),
        ({"a": {"x": 1}}, ("ctx", "a"), lambda tx: tx.set(("ctx", "a", "y"), 2), {"a": {"x": 1, "y": 2}}),
        ({"a": 1}, ("ctx",), lambda tx: tx.set(("ctx", "b"), 2), {"a": 1, "b": 2}),
        ({"n": 10**400}, ("ctx", "n"), lambda tx: tx.increment(("ctx", "n"), 0.5), {"n": 10**400}),
        ({"n": 1.7e308}, ("ctx", "n"), lambda tx: tx.increment(("ctx", "n"), 1.7e308), {"n": 1.7e308}),
    ],
)
def test_what_others_began_anew_is_laid_on_what_comes_back(store: ParameterStore, before: Any, deleted: Any,
                                                           other: Any, after: Any) -> None:
    store.set("ctx", before)
    file = store._state_file
    with file.transaction("engine") as tx:
        tx.flags["begin"] = True
    call = store.seq
    with writing_as(Author("load", 1, call, store.directory)):
        store.delete(*deleted)
    with store.transaction() as tx:
        other(tx)
    with file.transaction("engine") as tx:
        undo_call(tx, file.lines_since, call, "ctx")
        tx.flags.update(end=call, fence=call)
    assert store.get("ctx") == after


# -- trees ---------------------------------------------------------------------------------------

MANY = settings(max_examples=200, deadline=None, database=None)


@MANY
@given(JSON, JSON)
def test_a_difference_makes_one_of_the_other(a: Any, b: Any) -> None:
    tree = Tree(copied(a))
    ops = diff(a, b)
    assert bool(ops) == (exact(a) != exact(b))
    for op in copy.deepcopy(ops):
        tree.apply(op)
    assert exact(tree.root) == exact(b)
    for op in reversed(ops):
        tree.revert(op)
    assert exact(tree.root) == exact(a)


def changes_of(data: st.DataObject, store: LockedJson) -> list[Any]:
    """The lines' changes of some random calls."""
    kept = st.tuples(st.just("keep"), PLACES, st.tuples(st.lists(JSON, max_size=3), st.integers(1, 3)))
    taken = st.tuples(st.just("taken"), PLACES, st.tuples(st.integers(0, 2), st.lists(JSON, max_size=2)))
    for kind, path, args in data.draw(st.lists(CALLS | kept | taken, min_size=1, max_size=8)):
        with suppress(KeyError, InvalidValue), store.transaction() as tx:
            if kind == "keep":
                tx.append(path, args[0], record=True, keep=args[1])
            elif kind == "taken":
                tx.splice(path, args[0], len(args[1]), args[1], record=True)
            else:
                getattr(tx, kind)(path, *args)
    return [op for line in store._state_file.lines_since(0) for op in line["ops"]]


@settings(MANY, max_examples=80)
@given(CTX, st.data())
def test_taking_back_and_frozen_trees(ctx: dict[str, Any], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        store = LockedJson(Path(place) / "a.json", default={"ctx": ctx}, durability="os")
        ops = changes_of(data, store)
        end = store.read()
        store._state_file.close()
    first = exact({"ctx": ctx})
    tree = Tree({"ctx": ctx})
    held: list[tuple[Any, str]] = []
    for op in ops:
        if data.draw(st.booleans()):
            held.append((tree.freeze(), exact(tree.root)))
        elif data.draw(st.booleans()):
            tree.thaw()
            held.clear()
        before = exact(tree.root)
        tree.apply(copy.deepcopy(op))
        after = exact(tree.root)
        tree.revert(copy.deepcopy(op))
        assert exact(tree.root) == before
        tree.apply(copy.deepcopy(op))
        assert exact(tree.root) == after
        assert all(exact(root) == as_it_was for root, as_it_was in held)
    assert exact(tree.root) == exact(end)
    held.append((tree.freeze(), exact(tree.root)))
    for op in reversed(ops):
        tree.revert(op)
    assert exact(tree.root) == first
    assert all(exact(root) == as_it_was for root, as_it_was in held)


# -- bytes ---------------------------------------------------------------------------------------

LONG = JSON | st.lists(JSON, max_size=9) | st.integers(1, 99).map(lambda count: 'ü"\\\n€😀' * count)
SMALL = st.lists(LONG, max_size=6) | st.dictionaries(TEXTS, LONG, max_size=6)


def is_spelt_one_way(value: Any) -> bool:
    """Numbers beyond 64 bits need another encoder, which writes 1e-05 where the usual one writes 0.00001."""
    if isinstance(value, (dict, list)):
        return all(map(is_spelt_one_way, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or -(2**63) <= value < 2**64


@pytest.mark.slow
@MANY
@given(SMALL, st.booleans(), st.integers(1, 9), st.integers(1, 40))
def test_pieces_are_what_is_written_at_once(value: Any, indent: bool, weight: int, text: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values_module, "_PIECE_WEIGHT", weight)
        patch.setattr(values_module, "_PIECE_TEXT", text)
        joined = b"".join(pieces(value, indent=indent))
    assert exact(loads(joined)) == exact(value)
    assert joined == dumps(value, indent=indent) or not is_spelt_one_way(value)


@MANY
@given(JSON | st.integers(-(10**60), 10**60) | SMALL, st.booleans())
def test_what_is_written_is_read_back(value: Any, indent: bool) -> None:
    assert exact(loads(dumps(value, indent=indent))) == exact(value)
    assert exact(json.loads(dumps(value, indent=indent))) == exact(value)
