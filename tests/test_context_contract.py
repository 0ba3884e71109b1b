"""What ctx promises wherever it lives: in memory and in an instance, as a whole, checked, told, scoped, copied."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context, expose_for_shell
from octo.errors import AttemptEnded, CtxClash, InvalidValue, NotAvailable, StaleView, UsageError
from octo.live import Access
from octo.store import Author, ParameterStore, writing_as
from octo.store.memory import MemoryState


@pytest.fixture(params=["memory", "instance"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path) -> Context:
    if request.param == "memory":
        return Context()
    ParameterStore(tmp_path / "it", create=True)
    return Context.open(tmp_path / "it")


# -- made


def test_made_of_a_mapping_and_more() -> None:
    assert Context() == {} and Context({"a": 1}, b=2) == {"a": 1, "b": 2} == Context([("a", 1)], b=2)
    assert Context(Context(a=[1])) == {"a": [1]}
    assert Context({"a": 1}, who="me").get_history("a")[0]["who"] == "me"
    with pytest.raises(InvalidValue, match="not empty"):
        Context({"": 1})
    with pytest.raises(TypeError):
        Context(7)  # type: ignore[arg-type]


def test_made_in_a_step_it_is_in_its_name() -> None:
    with writing_as(Author("load", 1, 7)):
        ctx = Context(a=1)
    ctx["a"] = 2
    assert [entry["who"] for entry in ctx.get_history("a")] == ["load", "load"]


def test_opened_it_is_the_instance_s(tmp_path: Path) -> None:
    store = ParameterStore(tmp_path / "it", create=True)
    ctx, other = Context.open(tmp_path / "it"), Context.open(store.directory, who="me")
    ctx["a"] = [1]
    other["a"].append(2)
    assert json.loads(store.path.read_text())["ctx"] == {"a": [1, 2]} == ctx
    assert [change.who for change in store.history(("ctx",))][-2:] == ["step_name", "me"]
    with pytest.raises(UsageError, match="is not an instance"):
        Context.open(tmp_path)


def test_opened_in_a_step_of_the_instance_it_is_the_step_s(tmp_path: Path) -> None:
    store = ParameterStore(tmp_path / "it", create=True)
    with writing_as(Author("load", 3, 0, store.directory)):
        Context.open(store.directory)["a"] = 1
    with writing_as(Author("load", 3, 9, tmp_path / "elsewhere")):
        Context.open(store.directory)["b"] = 1
    found = {change.path[-1]: (change.who, change.visit) for change in store.history(("ctx",))}
    assert found["a"] == ("load", 3) and found["b"] == ("load", 0)


# -- a dict


def test_it_is_a_dict_to_all_who_ask(ctx: Context) -> None:
    ctx.update(a=1, b={"c": [1, {"d": None}]}, e=[])
    plain = {"a": 1, "b": {"c": [1, {"d": None}]}, "e": []}
    assert isinstance(ctx, dict) and isinstance(ctx["b"], dict) and isinstance(ctx["e"], list)
    assert dict(ctx) == {**ctx} == plain == ctx and plain == ctx and not ctx != plain and not plain != ctx
    assert str(ctx) == repr(ctx) == str(plain) and f"{ctx['b']}" == str(plain["b"])
    assert ctx | {"a": 2} == {**plain, "a": 2} and list(reversed(ctx)) == ["e", "b", "a"]
    assert dict.fromkeys(ctx) == dict.fromkeys(plain) and len(ctx) == 3 and bool(ctx)
    match ctx:
        case {"b": {"c": [first, *_]}}:
            assert first == 1
        case _:
            raise AssertionError


@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"sort_keys": True}, {"separators": (",", ":")}], ids=str)
def test_json_takes_it_as_it_is_now(ctx: Context, options: dict[str, Any]) -> None:
    assert json.dumps(ctx, **options) == "{}"
    ctx.update(z=[], a={"c": [1, {"d": [2, 3.5, None, True]}, [[]]], "e": {}}, t="ü")
    for value in (ctx, ctx["a"], ctx["a"]["c"], ctx["z"], {"in": [ctx["a"]]}):
        assert json.loads(json.dumps(value, **options)) == value
        plain = copy.deepcopy(dict(value)) if isinstance(value, dict) else copy.deepcopy(value)
        assert json.dumps(value, **options) == json.dumps(plain, **options)
    ctx["z"].append(1)
    assert json.loads(json.dumps(ctx["z"])) == [1]
    del ctx["a"], ctx["z"], ctx["t"]
    assert json.dumps(ctx, **options) == "{}"


def test_what_reads_a_dict_s_own_memory_fails_and_makes_nothing_up(ctx: Context) -> None:
    orjson = pytest.importorskip("orjson")
    ctx["a"] = [1]
    for value in (ctx, ctx["a"]):
        with pytest.raises(TypeError):
            orjson.dumps(value)
    assert orjson.loads(orjson.dumps(ctx.plain())) == {"a": [1]}


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        (float("nan"), "k"),
        ([1, float("inf")], "k/1"),
        ([{"x": 1}, {"when": b"x"}], "k/1/when"),
        ({"a": {1: 2}}, "k/a"),
        (object(), "k"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_every_way_in_is_checked(ctx: Context, bad: Any, place: str) -> None:
    for put in (
        lambda: Context({"k": bad}),
        lambda: Context(k=bad),
        lambda: ctx.__setitem__("k", bad),
        lambda: ctx.set("k", bad),
        lambda: ctx.update({"fine": 1, "k": bad}),
        lambda: ctx.setdefault("k", bad),
        lambda: ctx.__ior__({"k": bad}),
        lambda: ctx.restore({"k": bad}),
        lambda: ctx.merge({"k": bad}),
        lambda: ctx.scope("s").set("k", bad),
    ):
        with pytest.raises(ValueError, match=place):
            put()
    assert ctx == {}


def test_a_bad_value_inside_names_the_whole_place(ctx: Context) -> None:
    ctx["rows"] = [{}, {}, {}, {}]
    with pytest.raises(ValueError, match="rows/3/when: bytes is not a JSON value"):
        ctx["rows"][3]["when"] = b""
    for add in (lambda row: ctx["rows"].append(row), lambda row: ctx.extend("rows", [row]),
                lambda row: ctx["rows"].insert(4, row), lambda row: ctx["rows"].__setitem__(slice(4, 9), [row])):
        with pytest.raises(ValueError, match="rows/4/when: set is not a JSON value"):
            add({"when": {1}})
    assert ctx["rows"] == [{}, {}, {}, {}]


def test_who(ctx: Context) -> None:
    ctx.append("l", 1, who="a")
    ctx.extend("l", [2], who="b")
    ctx.increment("n", who="c")
    ctx.record("r", 1, who="d")
    ctx.delete("n", who="e")
    with ctx.transaction(who="f"):
        ctx["x"] = 1
    ctx.restore({"l": [1, 2], "r": [1], "x": 2}, who="g")
    ctx.merge({"x": 3}, who="h")
    assert [entry["who"] for entry in ctx.get_history("l")] == ["a", "b"]
    assert [entry["who"] for entry in ctx.get_history("n")] == ["c", "e"]
    assert [entry["who"] for entry in ctx.get_history("r")] == ["d"]
    assert [entry["who"] for entry in ctx.get_history("x")] == ["f", "g", "h"]


# -- as a whole


def test_snapshot_restore_diff(ctx: Context) -> None:
    ctx.update(a=1, rows=[1, 2], d={"x": 1, "y": 2}, gone=1)
    before = ctx.snapshot()
    assert type(before) is dict and before == ctx
    ctx["rows"].append(3)
    ctx["d"]["x"] = 5
    ctx["new"] = None
    del ctx["gone"]
    assert sorted(ctx.diff(before), key=lambda change: change["path"]) == [
        {"op": "set", "path": ["d", "x"], "value": 5, "old": 1},
        {"op": "delete", "path": ["gone"], "old": 1},
        {"op": "set", "path": ["new"], "value": None},
        {"op": "set", "path": ["rows"], "value": [1, 2, 3], "old": [1, 2]},
    ]
    assert ctx.diff(before, before) == [] == ctx.diff(ctx)
    ctx.restore(before)
    assert ctx == before and len(ctx.get_history("a")) == 1, "what is the same is not touched"
    before["rows"].append("x")
    assert ctx["rows"] == [1, 2]
    for bad in ([1], None, 7):
        with pytest.raises(InvalidValue):
            ctx.restore(bad)  # type: ignore[arg-type]
    assert ctx["a"] == 1


def test_merge(ctx: Context) -> None:
    start = {"a": 1, "d": {"x": 1, "deep": {"l": [1]}}}
    other = {"a": 2, "d": {"y": 2, "deep": {"l": [2]}}, "new": [1]}
    ctx.update(start)
    assert ctx.merge(other) == ["a", "d/deep/l"]
    assert ctx == {"a": 2, "d": {"x": 1, "deep": {"l": [2]}, "y": 2}, "new": [1]}
    ctx.restore(start)
    ctx.merge(Context(other), "first")
    assert ctx == {"a": 1, "d": {"x": 1, "deep": {"l": [1]}, "y": 2}, "new": [1]}
    ctx.restore(start)
    ctx.merge(other, lambda place, mine, theirs: mine + theirs if place != "a" else 9)
    assert ctx["d"]["deep"]["l"] == [1, 2] and ctx["a"] == 9
    ctx.restore(start)
    with pytest.raises(CtxClash, match="a, d/deep/l; nothing was changed"):
        ctx.merge(other, on_conflict="fail")
    with pytest.raises(UsageError, match="first, last, fail"):
        ctx.merge(other, on_conflict="ours")
    assert ctx == start
    assert ctx.merge({"z": 1}, "fail") == []


def test_as_text(ctx: Context) -> None:
    ctx.update({"a|b": "<i>\nx|y</i>", "rows": [1, {"c": None}]})
    assert json.loads(ctx.to_json()) == ctx and "\n" in ctx.to_json()
    assert ctx.to_md().splitlines() == [
        "| key | value |",
        "| --- | --- |",
        r"| a\|b | &lt;i&gt;<br>x\|y&lt;/i&gt; |",
        '| rows | [1, {"c": null}] |',
    ]
    assert "<th>a|b</th><td>&lt;i&gt;\nx|y&lt;/i&gt;</td>" in ctx.to_html() and "<i>" not in ctx.to_html()


def test_for_a_shell(ctx: Context) -> None:
    ctx.update({"foo": 999, "l": [1, "ä"], "d": {"a": None}, "t": "x y", "b": True, "n": None})
    found = expose_for_shell(ctx, ["foo", "l", "d", "t", "b", "n", "missing"])
    assert found == {"foo": "999", "l": '[1, "\\u00e4"]', "d": '{"a": null}', "t": "x y", "b": "True", "n": "None"}
    assert expose_for_shell(ctx, ["foo"], prefix="CTX_") == {"CTX_foo": "999"}
    assert expose_for_shell(ctx, "foo") == {"foo": "999"}


def test_server_and_refresh(ctx: Context) -> None:
    ctx.refresh()
    with pytest.raises(NotAvailable, match=r"Context.open\(DIR\)"):
        ctx.connect_to_server("ws://localhost:1")


def test_refresh_shows_what_another_program_did(tmp_path: Path) -> None:
    import subprocess
    import sys

    ParameterStore(tmp_path / "it", create=True)
    ctx = Context.open(tmp_path / "it")
    assert ctx == {}
    code = "import sys; from octo.context import Context; Context.open(sys.argv[1], who='other')['a'] = 1"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "it")], check=True,
                   env={"PYTHONPATH": str(Path(__file__).parents[1])})
    ctx.refresh()
    assert ctx == {"a": 1} and ctx.get_history("a")[0]["who"] == "other"


# -- scopes


def test_a_scope_is_the_keys_that_begin_with_it(ctx: Context) -> None:
    ctx.update({"stage1.x": 1, "stage1.": 2, "stage1": 3, "stage10.x": 4, "y": 5})
    scope = ctx.scope("stage1")
    assert scope == {"x": 1} and len(scope) == 1 and list(scope) == ["x"] and "x" in scope and "y" not in scope
    assert "" not in scope and 5 not in scope and json.dumps(scope) == '{"x": 1}' and repr(scope) == "{'x': 1}"
    scope["rows"] = []
    scope["rows"].append(1)
    scope.increment("n")
    scope.update(a=1)
    scope.scope("deep")["k"] = "v"
    assert scope.setdefault("x", 9) == 1 and scope.pop("a") == 1 and scope.pop("none", None) is None
    assert ctx["stage1.rows"] == [1] and ctx["stage1.n"] == 1 and ctx["stage1.deep.k"] == "v"
    assert scope["deep.k"] == "v" and scope.scope("deep").plain() == {"k": "v"} and scope.plain("rows") == [1]
    assert isinstance(scope, Context) and scope.snapshot() == {"x": 1, "rows": [1], "n": 1, "deep.k": "v"}
    assert [entry["path"] for entry in scope.get_history("rows") if "path" in entry] == [["rows"]]
    assert scope.popitem() == ("deep.k", "v")
    del scope["n"]
    with pytest.raises(KeyError, match="none"):
        scope["none"]
    with pytest.raises(InvalidValue):
        scope[""] = 1
    scope.restore({"x": 7})
    assert ctx == {"stage1.x": 7, "stage1.": 2, "stage1": 3, "stage10.x": 4, "y": 5}
    scope.clear()
    assert scope == {} and not scope and len(ctx) == 4
    with pytest.raises(InvalidValue):
        ctx.scope("")


# -- checks


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("list", [1], "x"), (list, [], {}), (tuple, [1], 1), ("dict", {"a": 1}, []), (dict, {}, None),
        ("str", "x", 1), (str, "", None), ("int", 3, True), (int, 0, 1.5), ("float", 1.5, "1"), (float, 0.5, False),
        ("bool", True, 1), (bool, False, 0), ("number", 1.5, True), ("number", 2, "2"), ("null", None, 0),
        (None, None, 0), ((int, None), None, "x"), ("list[int] | null", [1], ["x"]), (("list", "null"), [1], {}),
        (lambda v: v > 0, 1, -1),
        (lambda v: None, 1, None),
    ],
    ids=lambda value: "callable" if callable(value) and not isinstance(value, type) else repr(value),
)  # fmt: skip
def test_a_key_is_checked(ctx: Context, kind: Any, good: Any, bad: Any) -> None:
    ctx.check("k", kind)
    ctx["k"] = good
    assert ctx["k"] == good
    if bad is not None or kind not in ("null", None) and getattr(kind, "__name__", "") != "<lambda>":
        before = len(ctx.get_history("k"))
        for put in (lambda: ctx.set("k", bad), lambda: ctx.update(other=1, k=bad), lambda: ctx.restore({"k": bad})):
            with pytest.raises(ValueError, match="ctx/k: "):
                put()
        assert ctx == {"k": good} and len(ctx.get_history("k")) == before


def test_a_check_may_put_it_right_and_sees_changes_inside(ctx: Context) -> None:
    def small(rows: list[Any]) -> list[Any]:
        if len(rows) > 3:
            raise ValueError("more than three rows")
        return sorted(rows)

    ctx.check("rows", small)
    ctx["rows"] = [3, 1]
    assert ctx["rows"] == [1, 3]
    ctx["rows"].append(2)
    assert ctx["rows"] == [1, 2, 3] and len(ctx.get_history("rows")) == 4
    for put in (lambda: ctx["rows"].append(0), lambda: ctx.append("rows", 0), lambda: ctx["rows"].insert(0, 9)):
        with pytest.raises(InvalidValue, match="ctx/rows: more than three rows"):
            put()
    ctx.check("f", float)
    ctx["f"] = 1
    assert type(ctx["f"]) is float and ctx["rows"] == [1, 2, 3]
    ctx.scope("s").check("n", int)
    with pytest.raises(InvalidValue, match="ctx/s.n: 'x' is not int"):
        ctx["s.n"] = "x"
    del ctx["rows"]
    ctx["free"] = "anything"


def test_what_is_refused_in_a_transaction_is_not_in_it(ctx: Context) -> None:
    ctx.check("n", "int")
    ctx["rows"] = [{}]
    row = ctx["rows"][0]
    with ctx.transaction():
        ctx["a"] = 1
        with pytest.raises(InvalidValue):
            ctx.update(n="x", rows=[])
        row["kept"] = True
        ctx["n"] = 5
    assert ctx == {"a": 1, "n": 5, "rows": [{"kept": True}]}


def test_a_change_that_fails_is_not_in_the_transaction_around_it(ctx: Context) -> None:
    ctx["rows"] = [1]
    with ctx.transaction():
        ctx["a"] = 1
        with pytest.raises(InvalidValue):
            ctx.update(good=1, bad=float("nan"))
        with pytest.raises(KeyError), ctx.transaction():
            ctx["rows"].append(2)
            ctx["b"] = ctx["nothing"]
        assert ctx == {"rows": [1], "a": 1}
        ctx["rows"].append(3)
    assert ctx == {"rows": [1, 3], "a": 1}
    assert [entry["value"] for entry in ctx.get_history("rows")] == [[1], [3]]


def test_a_check_of_what_is_there_already(ctx: Context) -> None:
    ctx["n"] = "7"
    with pytest.raises(InvalidValue, match="ctx/n: '7' is not int"):
        ctx.check("n", int)
    ctx["n"] = "8"
    ctx.check("n", lambda value: int(value))
    assert ctx["n"] == 8
    for wrong in ("lst", set, 7):
        with pytest.raises(UsageError, match="is no type of a value in ctx"):
            ctx.check("n", wrong)  # type: ignore[arg-type]


# -- subscriptions


def test_a_subscriber_is_told_once_of_each_change(ctx: Context) -> None:
    seen: list[Any] = []
    ended = ctx.subscribe("rows", lambda change: seen.append((change.op, change.path, change.value, change.old)))
    ctx["rows"] = [1]
    ctx["other"] = 1
    ctx["rows"].append(2)
    ctx["rows"][0] = {"a": 1}
    ctx["rows"][0]["a"] = 5
    del ctx["rows"]
    assert seen == [
        ("set", ("rows",), [1], None),
        ("append", ("rows",), [2], None),
        ("set", ("rows", 0), {"a": 1}, 1),
        ("set", ("rows", 0, "a"), 5, 1),
        ("delete", ("rows",), None, [{"a": 5}, 2]),
    ]
    ended()
    ended.cancel()
    ctx["rows"] = 7
    assert len(seen) == 5


def test_told_after_it_is_recorded_in_the_writer_s_thread(ctx: Context) -> None:
    seen: list[Any] = []

    def told(change: Any) -> None:
        looked: list[Any] = []
        other = threading.Thread(target=lambda: looked.append(ctx["n"]))  # nothing is locked
        other.start()
        other.join(30)
        seen.append((threading.current_thread().name, change.value, change.who, looked, len(ctx.get_history("n"))))
        if change.value < 3:
            ctx["n"] = change.value + 1

    with ctx.subscribe("n", told):
        writer = threading.Thread(target=lambda: ctx.set("n", 2, who="me"), name="writer")
        writer.start()
        writer.join(30)
        with ctx.transaction():
            ctx["n"] = 7
            ctx["n"] = 8
            assert len(seen) == 2
    ctx["n"] = 9
    assert sorted((thread, value) for thread, value, *_ in seen) == [
        ("MainThread", 7), ("MainThread", 8), ("writer", 2), ("writer", 3)]
    assert all(looked and history >= 1 for *_, looked, history in seen)
    with pytest.raises(RuntimeError), ctx.transaction():
        ctx["n"] = 10
        raise RuntimeError
    assert len(seen) == 4


def test_what_a_subscriber_raises_is_logged(ctx: Context, caplog: pytest.LogCaptureFixture) -> None:
    seen = []
    ctx.subscribe("n", lambda change: 1 / 0)
    ctx.subscribe("n", seen.append)
    with caplog.at_level(logging.ERROR):
        ctx["n"] = 1
    assert ctx["n"] == 1 and len(seen) == 1 and "ZeroDivisionError" in caplog.text


def test_told_of_other_handles_and_of_the_whole_group(tmp_path: Path) -> None:
    store = ParameterStore(tmp_path / "it", create=True)
    ctx, other = Context.open(store.directory), Context.open(store.directory, who="other")
    seen: list[Any] = []
    ctx.scope("s").subscribe("n", lambda change: seen.append((change.who, change.path, change.value)))
    other["s.n"] = 1
    store.set("ctx", {"s.n": 2})
    store.set("ctx", {"a": 2})
    assert [(path, value) for _, path, value in seen] == [(("n",), 1), (("n",), 2), (("n",), None)]
    assert seen[0][0] == "other"


def test_a_subscription_of_an_attempt_ends_with_it() -> None:
    memory = MemoryState({})
    access = Access(memory, Author("load"))
    seen: list[Any] = []
    Context.on(access).subscribe("n", seen.append)
    access.closed = True
    Context.on(Access(memory, Author("next")))["n"] = 1
    assert seen == [] and memory.listeners == []


# -- copies


class Named(Context):
    """A user's own kind of ctx."""

    def __init__(self, name: str) -> None:
        super().__init__(who=name)
        self.name = name

    def shout(self) -> str:
        return self.name.upper()


COPIES = [copy.deepcopy, copy.copy, lambda ctx: pickle.loads(pickle.dumps(ctx)),
          lambda ctx: pickle.loads(pickle.dumps(ctx, 2))]


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_a_ctx_of_its_own(ctx: Context, how: Any) -> None:
    ctx.update(rows=[1], d={"a": [2]})
    made = how(ctx)
    assert type(made) is Context and made == {"rows": [1], "d": {"a": [2]}}
    made["rows"].append(2)
    ctx["d"]["a"].append(3)
    assert made == {"rows": [1, 2], "d": {"a": [2]}} and ctx == {"rows": [1], "d": {"a": [2, 3]}}
    assert made.get_history("rows")[-1]["who"] == "step_name"
    assert type(ctx.copy()) is dict and type(how(ctx["d"])) is dict
    assert how(ctx.scope("s")) == {} and type(how({"in": ctx})["in"]) is Context


@pytest.mark.parametrize("how", COPIES)
def test_in_memory_its_history_goes_with_it(how: Any) -> None:
    ctx = Named("me")
    ctx["a"] = 1
    ctx["a"] = 2
    made = how(ctx)
    assert type(made) is Named and made.shout() == "ME"
    assert [entry["value"] for entry in made.get_history("a")] == [1, 2] and made.get_history("a")[0]["who"] == "me"
    assert made.last_modified("a") == ctx.last_modified("a")


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_handle_that_is_over_may_be_changed(how: Any) -> None:
    access = Access(MemoryState({"ctx": {"a": 1}}), Author("load", 1, 5))
    ctx = Context.on(access)
    access.closed = True
    made = how(ctx)
    made["a"] = 2
    assert ctx["a"] == 1 and made["a"] == 2
    with pytest.raises(AttemptEnded):
        ctx["a"] = 2


# -- many at once, and late


def test_many_handles_and_shared_ones(ctx: Context) -> None:
    file = ctx._access.file
    handles = [Context.on(Access(file, Author(f"step{number}"))) for number in range(4)] + [ctx, ctx]

    def work(number: int, handle: Context) -> None:
        for turn in range(60):
            handle.append("rows", [number, turn])
            handle.increment("n")
            handle.scope(f"own{number}")["turn"] = turn
            with handle.transaction():
                handle["both"] = handle.get("both", 0) + 1
                handle["rows"].append([number, turn])

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(handles)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = ctx.plain("rows")
    assert ctx["n"] == 360 == ctx["both"] and len(rows) == 720
    for number in range(6):
        assert [turn for who, turn in rows if who == number] == [turn for turn in range(60) for _ in "12"]
        assert ctx[f"own{number}.turn"] == 59
    history = ctx.get_history("n")
    assert len(history) == 360 and {entry["who"] for entry in history} == {*(f"step{n}" for n in "0123"), "step_name"}


def test_a_late_writer_changes_nothing(ctx: Context) -> None:
    access = Access(ctx._access.file, Author("load"))
    late = Context.on(access)
    late["rows"] = [[]]
    row = late["rows"][0]
    waiting, written = threading.Event(), []

    def write() -> None:
        waiting.wait(30)
        for change in (lambda: late.set("a", 1), lambda: row.append(1), lambda: late.scope("s").update(a=1),
                       lambda: late.transaction().__enter__(), lambda: late.check("rows", list)):
            try:
                change()
            except AttemptEnded:
                continue
            written.append(change)

    thread = threading.Thread(target=write)
    thread.start()
    access.closed = True
    waiting.set()
    thread.join(30)
    assert not written and ctx == {"rows": [[]]} and late["rows"] == [[]], "it may still read"


def test_the_end_of_an_attempt_is_seen_by_who_waits_for_the_lock(ctx: Context) -> None:
    access = Access(ctx._access.file, Author("load"))
    late, errors = Context.on(access), []
    begun = threading.Event()

    def write() -> None:
        begun.set()
        try:
            late["a"] = 1
        except AttemptEnded as error:
            errors.append(error)

    with ctx.transaction():
        thread = threading.Thread(target=write)
        thread.start()
        begun.wait(30)
        access.closed = True
    thread.join(30)
    assert len(errors) == 1 and ctx == {}


def test_another_handle_s_view_is_stale_once_its_list_is_replaced(ctx: Context) -> None:
    other = Context.on(Access(ctx._access.file, Author("other")))
    ctx["rows"] = [[1]]
    row = other["rows"][0]
    ctx["rows"] = [[2]]
    with pytest.raises(StaleView):
        row.append(3)
    assert ctx == {"rows": [[2]]}


def test_appending_costs_the_same_however_long_the_list(ctx: Context) -> None:
    """As the record and the work of Python, counted; not as time."""
    import sys

    def calls(work: Any) -> int:
        count = 0

        def seen(frame: Any, event: str, argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(seen)
        try:
            work()
        finally:
            sys.setprofile(None)
        return count

    memory = MemoryState({"ctx": {"few": [1], "many": list(range(100_000))}})
    handle = Context.on(Access(memory, Author("load")))
    for key in ("few", "many"):
        handle[key].append(0)
    few, many = handle["few"], handle["many"]
    assert calls(lambda: many.append(1)) == calls(lambda: few.append(1))
    same = memory.look(("ctx", "many"), id)
    many.append(2)
    assert memory.look(("ctx", "many"), id) == same, "it is not copied again"
