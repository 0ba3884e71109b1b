"""Live lists and dicts: as Python's own, each change one record; stale ones say so; copies are plain."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context, Group
from octo.errors import AttemptEnded, InvalidValue, StaleView
from octo.live import Access, LiveDict, LiveList
from octo.store import Author, ParameterStore


@pytest.fixture
def store(tmp_path: Path) -> ParameterStore:
    return ParameterStore(tmp_path / "it", create=True)


@pytest.fixture
def access(store: ParameterStore) -> Access:
    return Access(store._state_file, Author("step_node_one", 1, 0, store.directory))


@pytest.fixture
def ctx(access: Access) -> Context:
    return Context.on(access)


def plain(store: ParameterStore) -> Any:
    return store.get("ctx", default={})


# -- lists, against Python's own: each line is done to both

LIST_OPERATIONS = [
    "x.append(9)",
    "x.extend([7, 8])",
    "x.extend(iter((7, 8)))",
    "x += [5]",
    "x.insert(0, 'a')",
    "x.insert(-1, 'a')",
    "x.insert(99, 'a')",
    "x.insert(-99, 'a')",
    "x[0] = 'b'",
    "x[-1] = {'c': [1]}",
    "x[1:3] = ['p', 'q', 'r']",
    "x[1:1] = [0, 0]",
    "x[3:1] = [5]",
    "x[::2] = ['s'] * len(x[::2])",
    "x[::-1] = list(range(len(x)))",
    "x[:] = []",
    "x[5:99] = [1]",
    "del x[0]",
    "del x[-1]",
    "del x[1:3]",
    "del x[::2]",
    "del x[::-2]",
    "del x[9:2]",
    "x.pop()",
    "x.pop(0)",
    "x.pop(-2)",
    "x.remove(3)",
    "x.sort(key=str)",
    "x.sort(key=str, reverse=True)",
    "x.reverse()",
    "x.clear()",
    "x.index(3)",
    "x.count(3)",
    "x.copy()",
    "len(x)",
    "bool(x)",
    "list(x)",
    "list(reversed(x))",
    "x[1]",
    "x[-1]",
    "x[1:]",
    "x[::-1]",
    "3 in x",
    "{'n': 1} in x",
    "x + [1]",
    "[1] + x",
    "x == [3, 1, 2]",
    "x == None",
    "x != [3, 1, 2]",
    "sum(v for v in x if type(v) is int)",
    "x[99]",
    "x[-99]",
    "x[99] = 1",
    "del x[99]",
    "x.pop(99)",
    "x.remove('not there')",
    "x['a']",
    "x[::2] = [1]",
    "x.extend(7)",
    "x.sort()",
    "repr(x)",
    "str(x)",
    "hash(x)",
    "[x.append(1) for _ in range(3)]",
    "[v.append(0) for v in x if hasattr(v, 'append')]",
]


def done(code: str, x: Any) -> Any:
    """What `code` gives: a value or the kind of error."""
    names = {"x": x}
    try:
        return eval(code, names)
    except SyntaxError:
        pass
    except Exception as error:
        return type(error)
    try:
        exec(code, names)
    except Exception as error:
        return type(error)
    return None


@pytest.mark.parametrize("code", LIST_OPERATIONS)
@pytest.mark.parametrize("start", [[3, 1, 2], [], [{"n": 1}, 3, "s", [1], 3, None]], ids=str)
def test_a_live_list_does_as_a_list(ctx: Context, store: ParameterStore, code: str, start: list[Any]) -> None:
    if code == "{'n': 1} in x" and not start:
        start = [1]
    model = copy.deepcopy(start)
    ctx["x"] = start
    live = ctx["x"]
    assert type(live) is LiveList
    expected = done(code, model)
    found = done(code, live)
    assert found == expected
    assert store.get("ctx", "x") == model == live
    store._state_file.close()
    assert store.get("ctx", "x") == model


DICT_OPERATIONS = [
    "x['a'] = 1",
    "x['new'] = {'deep': {'er': []}}",
    "del x['a']",
    "del x['none']",
    "x['none']",
    "x['d']['k']",
    "x.get('a')",
    "x.get('none', 7)",
    "x.pop('a')",
    "x.pop('none', 7)",
    "x.pop('none')",
    "x.pop('d')",
    "x.pop('none', None)",
    "x.popitem()",
    "x.setdefault('a', 5)",
    "x.setdefault('new', [])",
    "x.setdefault('new')",
    "x.update({'a': 2, 'b': 3})",
    "x.update([('a', 2)], b=3)",
    "x.update(a=5)",
    "x.update()",
    "x |= {'a': 5}",
    "x | {'a': 5}",
    "{'a': 5} | x",
    "x.clear()",
    "list(x)",
    "list(x.keys())",
    "list(x.values())",
    "list(x.items())",
    "dict(x)",
    "dict(**x)",
    "len(x)",
    "bool(x)",
    "'a' in x",
    "'none' in x",
    "5 in x",
    "x == {'a': 1, 'd': {'k': 1}, 'l': [1]}",
    "x == None",
    "x.copy()",
    "repr(x)",
    "hash(x)",
    "x['d'].update(k=2)",
    "x['l'].append(3)",
    "[v.append(9) for v in x.values() if type(v) not in (int, dict) and hasattr(v, 'append')]",
]


@pytest.mark.parametrize("code", DICT_OPERATIONS)
@pytest.mark.parametrize("where", ["group", "inside"])
def test_a_live_dict_does_as_a_dict(ctx: Context, store: ParameterStore, code: str, where: str) -> None:
    start = {"a": 1, "d": {"k": 1}, "l": [1]}
    model = copy.deepcopy(start)
    live: Any = ctx
    if where == "inside":
        ctx["x"] = start
        live = ctx["x"]
        assert type(live) is LiveDict
    else:
        store.set("ctx", start)
    expected = done(code, model)
    found = done(code, live)
    assert found == expected
    assert store.get("ctx", *(["x"] if where == "inside" else [])) == model == live


@pytest.mark.parametrize(("live", "true"), [(LiveDict, dict), (LiveList, list)])
def test_nothing_is_left_of_what_reads_the_true_type_s_own_memory(live: Any, true: Any) -> None:
    """A method that a later Python adds to dict or list is found here."""
    left = {name for name in vars(true) if getattr(getattr(live, name, None), "__objclass__", None) is true}
    harmless = {"__getattribute__", "__sizeof__", "__init__"}
    if true is dict:
        harmless |= {"__lt__", "__le__", "__gt__", "__ge__"}  # dicts have no order
    assert left <= harmless


def test_a_live_list_beside_plain_ones(ctx: Context) -> None:
    ctx["x"], ctx["y"] = [2, 1], [2, 2]
    live = ctx["x"]
    assert live < [3] and live <= [2, 1] and [3] > live and live >= [2] and live < ctx["y"] and not live > ctx["y"]
    assert live * 2 == [2, 1, 2, 1] == 2 * live and [0, *live] == [0, 2, 1] and sorted(live) == [1, 2]
    plain = [0]
    plain.extend(live)
    plain[:1] = live
    assert plain == [2, 1, 2, 1] and tuple(live) == (2, 1) and max(live) == 2 and [[2, 1]] == [live]
    live *= 2
    assert ctx["x"] == [2, 1, 2, 1]
    live *= 0
    assert ctx["x"] == [] and isinstance(live, LiveList)
    with pytest.raises(TypeError):
        live < 3  # noqa: B015


def test_an_empty_group_is_an_empty_dict(ctx: Context, store: ParameterStore) -> None:
    assert (
        ctx == {} and len(ctx) == 0 and list(ctx) == [] and "a" not in ctx and ctx.plain() == {} and not ctx
    )
    ctx.clear()
    with pytest.raises(KeyError):
        ctx["a"]
    with pytest.raises(KeyError):
        del ctx["a"]
    assert ctx.pop("a", 3) == 3
    assert "ctx" not in store.read(), "looking makes nothing"


def test_a_change_deep_inside_is_one_small_record(ctx: Context, store: ParameterStore) -> None:
    ctx["tree"] = {"rows": [{"cells": list(range(1000))}]}
    before = store.seq
    ctx["tree"]["rows"][0]["cells"][500] = "x"
    ctx["tree"]["rows"][0]["cells"].append(1)
    assert store.seq == before + 2
    changes = store.history(since=before)
    assert [change.path for change in changes] == [
        ("ctx", "tree", "rows", 0, "cells", 500),
        ("ctx", "tree", "rows", 0, "cells"),
    ]
    assert {change.who for change in changes} == {"step_node_one"}


@pytest.mark.parametrize("code, path, value", [
    ("ctx['rows'] += [2]", ["rows"], [2]),
    ("ctx['rows'][0]['in'] += [2]", ["rows", 0, "in"], [2]),
    ("ctx['d'] |= {'b': 2}", ["d", "b"], 2),
])
def test_changed_in_place_it_is_not_set_once_more(ctx: Context, code: str, path: list[Any], value: Any) -> None:
    ctx.update(rows=[{"in": [1]}], d={"a": 1})
    exec(code, {"ctx": ctx})
    changes = ctx.get_history(path[0])
    assert [(change.get("path"), change["value"]) for change in changes[1:]] == [(path, value)]


def test_what_left_its_place_is_set_again(ctx: Context) -> None:
    ctx["rows"] = [1]
    old = ctx["rows"]
    ctx["other"] = old
    ctx["rows"] = [2]
    with pytest.raises(StaleView):
        ctx["rows"] = old
    ctx["rows"] = ctx["other"]
    assert ctx == {"rows": [1], "other": [1]}


def test_removing_a_value_is_one_change_among_threads(ctx: Context) -> None:
    ctx["rows"] = list(range(100))
    rows = ctx["rows"]

    def put_before() -> None:
        for number in range(100, 130):
            rows.insert(0, number)

    threads = [threading.Thread(target=put_before) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(60):
        rows.remove(number)
    for thread in threads:
        thread.join()
    assert sorted(rows) == sorted([*range(60, 100), *range(100, 130), *range(100, 130)])
    with pytest.raises(ValueError, match="not in list"):
        rows.remove(7)


def test_what_goes_in_is_by_value(ctx: Context, store: ParameterStore) -> None:
    rows = [{"a": 1}]
    ctx["rows"] = rows
    rows.append({"b": 2})
    rows[0]["a"] = 5
    assert ctx["rows"] == [{"a": 1}]
    ctx["other"] = ctx["rows"]
    ctx["other"].append(3)
    assert ctx["rows"] == [{"a": 1}] and ctx["other"] == [{"a": 1}, 3]
    ctx["rows"].append(ctx["rows"][0])
    ctx["rows"][0]["a"] = 7
    assert ctx["rows"] == [{"a": 7}, {"a": 1}]
    ctx["nested"] = {"in": ctx["rows"], "list": [ctx["other"]]}
    assert plain(store)["nested"] == {"in": [{"a": 7}, {"a": 1}], "list": [[{"a": 1}, 3]]}


def test_what_comes_out_as_a_copy_is_plain(ctx: Context) -> None:
    ctx["x"] = {"rows": [1, {"a": [2]}]}
    live = ctx["x"]
    for made in (
        live.plain(),
        live.copy(),
        copy.copy(live),
        copy.deepcopy(live),
        pickle.loads(pickle.dumps(live)),
    ):
        assert type(made) is dict and type(made["rows"]) is list and type(made["rows"][1]["a"]) is list
        assert made == {"rows": [1, {"a": [2]}]}
        made["rows"][1]["a"].append(9)
    assert live == {"rows": [1, {"a": [2]}]}
    assert type(live["rows"][:]) is list and type(live["rows"] + []) is list
    assert type(pickle.loads(pickle.dumps(live["rows"]))) is list
    assert json.dumps(live.plain()) == '{"rows": [1, {"a": [2]}]}'
    popped = live["rows"].pop()
    popped["a"].append(3)
    assert live == {"rows": [1]}


def test_equal_live_values(ctx: Context) -> None:
    ctx["a"], ctx["b"] = [1, {"x": 2}], [1, {"x": 2}]
    assert ctx["a"] == ctx["b"] and ctx["a"][1] == ctx["b"][1] and ctx["a"] != ctx["a"][1]


# -- stale


@pytest.mark.parametrize(
    "change",
    [
        lambda ctx: ctx.update(x={"l": [1]}),
        lambda ctx: ctx.delete("x"),
        lambda ctx: ctx["x"].update(l=[9]),
        lambda ctx: ctx["x"].pop("l"),
        lambda ctx: ctx.update(x=[1]),
        lambda ctx: ctx["x"].clear(),
    ],
)
def test_a_replaced_or_removed_value_is_stale(ctx: Context, store: ParameterStore, change: Any) -> None:
    ctx["x"] = {"l": [1]}
    live = ctx["x"]["l"]
    change(ctx)
    state = plain(store)
    for use in (
        lambda: live.append(1),
        lambda: live[0],
        lambda: len(live),
        lambda: list(live),
        live.plain,
        lambda: live == [],
    ):
        with pytest.raises(StaleView, match="ctx/x/l: what was here was replaced or removed"):
            use()
    assert plain(store) == state


def test_an_item_keeps_its_place_while_its_list_grows_and_shrinks(ctx: Context) -> None:
    ctx["rows"] = [{"n": 0}, {"n": 1}, {"n": 2}]
    row = ctx["rows"][1]
    ctx["rows"].insert(0, "new")
    row["seen"] = True
    del ctx["rows"][0]
    ctx["rows"].append("end")
    ctx["rows"][0:1] = []
    row["n"] = 11
    assert ctx["rows"] == [{"n": 11, "seen": True}, {"n": 2}, "end"]
    ctx["rows"].pop(0)
    with pytest.raises(StaleView):
        row["n"] = 12
    last = ctx["rows"][0]
    ctx["rows"].sort(key=str)
    with pytest.raises(StaleView):
        last["n"] = 12


def test_a_value_below_a_list_keeps_its_place_too(ctx: Context) -> None:
    ctx["rows"] = [{"cells": [[1], [2]]}]
    cell = ctx["rows"][0]["cells"][1]
    ctx["rows"].insert(0, None)
    ctx["rows"][1]["cells"].insert(0, [0])
    cell.append("here")
    assert ctx["rows"] == [None, {"cells": [[0], [1], [2, "here"]]}]


def test_a_dropped_transaction_leaves_live_values_where_they_were(ctx: Context) -> None:
    ctx["rows"] = [{"n": 0}, {"n": 1}]
    ctx["d"] = {"k": {}}
    first, second, kept = ctx["rows"][0], ctx["rows"][1], ctx["d"]["k"]
    with pytest.raises(RuntimeError), ctx.transaction():
        ctx["rows"].insert(0, "x")
        ctx["rows"].pop(1)
        ctx["d"] = 7
        raise RuntimeError
    second["seen"] = True
    first["seen"] = False
    kept["fine"] = 1
    assert ctx["rows"] == [{"n": 0, "seen": False}, {"n": 1, "seen": True}] and ctx["d"] == {"k": {"fine": 1}}


def test_an_item_that_another_program_moved_is_stale(ctx: Context, store: ParameterStore) -> None:
    ctx["rows"] = [{"n": 0}, {"n": 1}]
    row, rows = ctx["rows"][1], ctx["rows"]
    code = """
import sys
from octo.store import ParameterStore
with ParameterStore(sys.argv[1]).transaction() as tx:
    tx.splice(("ctx", "rows"), 0, 0, ["foreign"])
"""
    subprocess.run(
        [sys.executable, "-c", code, str(store.directory)],
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert store.read()["ctx"]["rows"][0] == "foreign"
    with pytest.raises(StaleView):
        row["n"] = 5
    rows.append("mine")
    assert plain(store)["rows"] == ["foreign", {"n": 0}, {"n": 1}, "mine"]


def test_looking_through_a_list_that_changes(ctx: Context) -> None:
    ctx["rows"] = [{"n": number} for number in range(6)]
    for row in ctx["rows"]:
        if row["n"] % 2 == 0:
            row["even"] = True
        if row["n"] == 1:
            ctx["rows"].pop(0)
    model: list[Any] = [{"n": number} for number in range(6)]
    for row in model:
        if row["n"] % 2 == 0:
            row["even"] = True
        if row["n"] == 1:
            model.pop(0)
    assert ctx["rows"] == model


def test_rows_that_are_changed_while_others_are_put_before_them(ctx: Context) -> None:
    ctx["rows"] = [{"n": 0}, {"n": 1}]
    rows = list(ctx["rows"])
    ctx["rows"].insert(0, {"n": -1})
    for row in rows:
        row["seen"] = row["n"]
    assert ctx["rows"] == [{"n": -1}, {"n": 0, "seen": 0}, {"n": 1, "seen": 1}]


# -- what is refused


@pytest.mark.parametrize(
    "value", [{1}, len, float("nan"), b"x", {1: 2}, {"a": [float("inf")]}, "\udcff"], ids=repr
)
def test_what_is_no_json_is_refused_with_its_place(ctx: Context, store: ParameterStore, value: Any) -> None:
    ctx["l"], ctx["d"] = [1], {}
    before = store.seq
    for put in (
        lambda: ctx.__setitem__("x", value),
        lambda: ctx["l"].append(value),
        lambda: ctx["d"].update(a=value),
        lambda: ctx["l"].__setitem__(0, value),
        lambda: ctx.append("l", value),
        lambda: ctx.record("r", value),
        lambda: ctx["d"].setdefault("a", value),
    ):
        with pytest.raises(InvalidValue):
            put()
    assert store.seq == before and plain(store) == {"l": [1], "d": {}}


@pytest.mark.parametrize("key", [1, None, ("a",), 1.5])
def test_a_key_is_text(ctx: Context, store: ParameterStore, key: Any) -> None:
    ctx["d"] = {}
    for put in (
        lambda: ctx.__setitem__(key, 1),
        lambda: ctx["d"].__setitem__(key, 1),
        lambda: ctx["d"].setdefault(key, 1),
        lambda: ctx["d"].update({key: 1}),
        lambda: ctx.increment(key),
        lambda: ctx.append(key, 1),
    ):
        with pytest.raises(InvalidValue):
            put()
    assert plain(store) == {"d": {}}


def test_after_the_call_nothing_is_written(ctx: Context, access: Access, store: ParameterStore) -> None:
    ctx["l"] = [1]
    live = ctx["l"]
    access.closed = True
    for write in (
        lambda: ctx.update(a=1),
        lambda: live.append(2),
        lambda: ctx.record("r", 1),
        lambda: ctx.checkpoint(),
    ):
        with pytest.raises(AttemptEnded, match="step_node_one: this call of the step is over"):
            write()
    assert live == [1] and plain(store) == {"l": [1]}


# -- many at once


def test_threads_of_a_step_lose_nothing(ctx: Context, store: ParameterStore) -> None:
    ctx["rows"], ctx["n"] = [], 0
    rows = ctx["rows"]

    def work(name: int) -> None:
        for number in range(50):
            rows.append([name, number])
            ctx.increment("n")
            with ctx.transaction():
                ctx["both"] = ctx.get("both", 0) + 1

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ctx["n"] == 300 == ctx["both"] and len(rows) == 300
    assert {
        name: [number for who, number in rows.plain() if who == name] for name in range(6)
    } == dict.fromkeys(range(6), list(range(50)))


def test_a_group_made_with_its_first_value(access: Access, store: ParameterStore) -> None:
    group = Group(access, ("step_node_one",))
    assert group == {} and group.get("x", 5) == 5
    group["x"] = 1
    assert store.get("step_node_one") == {"x": 1}
    store.set("step_node_one", {"y": 2})
    assert group == {"y": 2}, "a group is found by its name"
    store.set("step_node_one", 7)
    with pytest.raises(StaleView):
        group["x"]
