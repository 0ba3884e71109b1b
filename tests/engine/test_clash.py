"""Parallel steps that change one place in ctx, in either order of time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.engine.dag import Limits
from octo.store.author import ENVIRONMENT_NAME
from octo.store.undo import undo_calls
from tests.engine.dag_kit import Plan, Signs, step
from tests.engine.kit import CHECKOUT

Change = Callable[[Any], Any]


def set_to(value: Any, key: str = "x") -> Change:
    return lambda ctx: ctx.__setitem__(key, value)


def inside(name: str, value: Any = 1) -> Change:
    return lambda ctx: ctx["d"].__setitem__(name, value)


def default(value: Any, key: str = "x") -> Change:
    return lambda ctx: ctx.setdefault(key, value)


def delete(ctx: Any) -> None:
    del ctx["d"]


CLASH = {
    "set and set": (set_to(1), set_to(2)),
    "equal values": (set_to(1), set_to(1)),
    "set and set inside": (set_to({}, "d"), inside("k")),
    "delete and set inside": (delete, lambda ctx: ctx.setdefault("d", {}).update(k=1)),
    "set and delete": (set_to(1, "d"), delete),
    "one key of one dict": (inside("k", 1), inside("k", 2)),
    "set and append": (set_to([], "rows"), lambda ctx: ctx.append("rows", 1)),
    "set and increment": (set_to(1, "n"), lambda ctx: ctx.increment("n")),
    "splice and append": (lambda ctx: ctx["rows"].insert(0, 5), lambda ctx: ctx.append("rows", 1)),
    "set and default": (set_to(1), default(2)),
    "two defaults of different values": (default(1), default(2)),
    "defaults where a value stands": (default(1, "n"), default(2, "n")),
    "default of a list that stands there, and set": (default([], "rows"), set_to([], "rows")),
    "default of a dict that stands there, and set": (default({}, "d"), set_to({}, "d")),
    "default that was there of another kind": (default(1, "d"), default({}, "d")),
    "true and one": (default(1), default(True)),
    "true and one inside": (default({"q": [1]}), default({"q": [True]})),
    "update of a key": (lambda ctx: ctx.update(a=1, b=2), set_to(3, "b")),
}
NO_CLASH = {
    "different keys": (set_to(1, "a"), set_to(2, "b")),
    "different keys of a dict": (inside("a"), inside("b")),
    "appends": (lambda ctx: ctx.append("rows", 1), lambda ctx: ctx["rows"].extend([2, 3])),
    "increments": (lambda ctx: ctx.increment("n"), lambda ctx: ctx.increment("n", 5)),
    "one default": (default(7), default(7)),
    "one default, where a dict stands": (default({}, "d"), default({}, "d")),
    "a default, then keys of it": (
        lambda ctx: ctx.setdefault("new", {}).update(a=1), lambda ctx: ctx.setdefault("new", {}).update(b=2)),
    "records": (lambda ctx: ctx.record("log", "a"), lambda ctx: ctx.record("log", "b")),
    "records, the newest kept": (lambda ctx: ctx.record("rows", 1, keep=1), lambda ctx: ctx.record("rows", 2, keep=1)),
}
START = {"d": {"old": 0}, "rows": [], "n": 3}


def race(directory: Path, one: Change, other: Change, *, first: str, **more: Any) -> Plan:
    """Steps a and b run side by side, both do their change, then `first` ends before the other."""
    signs = Signs()

    def body(name: str, change: Change) -> Callable[[Any], None]:
        def run(call: Any) -> None:
            beside = "b" if name == "a" else "a"
            if name != first:
                signs.wait(f"{beside} changed")
            change(call.ctx)
            signs.give(f"{name} changed")
            if name != first:
                signs.wait(f"{beside} over")
            else:
                signs.wait(f"{beside} began")

        def begun(call: Any) -> None:
            signs.give(f"{name} began")
            run(call)

        return begun

    plan = Plan(directory, step("a", body("a", one), p=True, **more), step("b", body("b", other), p=True, **more))
    plan.store.set("ctx", START)
    plan.result = plan.run(hear=signs.ended)  # type: ignore[attr-defined]
    return plan


@pytest.mark.parametrize("first", ["a", "b"])
@pytest.mark.parametrize("case", CLASH)
def test_two_changes_of_one_place_clash(tmp_path: Path, case: str, first: str) -> None:
    plan = race(tmp_path, *CLASH[case], first=first)
    last = "b" if first == "a" else "a"
    assert plan.status == {first: "DONE", last: "FAILED"}
    error = plan.entry(last)["error"]
    assert error["type"] == "CtxClash" and f"{first} and {last} run side by side" in error["message"]


@pytest.mark.parametrize("first", ["a", "b"])
@pytest.mark.parametrize("case", NO_CLASH)
def test_changes_that_merge_do_not_clash(tmp_path: Path, case: str, first: str) -> None:
    plan = race(tmp_path, *NO_CLASH[case], first=first)
    assert plan.status == {"a": "DONE", "b": "DONE"}, plan.result.error  # type: ignore[attr-defined]


def test_what_merges_is_all_there(tmp_path: Path) -> None:
    plan = race(tmp_path, *NO_CLASH["appends"], first="b")
    assert sorted(plan.ctx["rows"]) == [1, 2, 3]
    (tmp_path / "n").mkdir()
    assert race(tmp_path / "n", *NO_CLASH["increments"], first="a").ctx["n"] == 9


@pytest.mark.parametrize("first", ["a", "b"])
@pytest.mark.parametrize(("rule", "value"), [("first", 1), ("last", 2)])
def test_on_conflict_goes_by_the_order_of_the_steps(tmp_path: Path, rule: str, value: int, first: str) -> None:
    def also(name: str, number: int) -> Change:
        return lambda ctx: ctx.update(x=number, **{name: number})

    plan = race(tmp_path, also("of_a", 1), also("of_b", 2), first=first, on_conflict=rule)
    assert plan.status == {"a": "DONE", "b": "DONE"}
    assert {key: plan.ctx[key] for key in ("x", "of_a", "of_b")} == {"x": value, "of_a": 1, "of_b": 2}


@pytest.mark.parametrize("rule", ["first", "last"])
@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_three_that_want_one_list(tmp_path: Path, rule: str, order: str) -> None:
    signs = Signs()

    def body(call: Any) -> None:
        signs.give(f"{call.name} began")
        place = order.index(call.name)
        if place:
            signs.wait(f"{order[place - 1]} over")
        call.ctx["rows"] = [*call.ctx.plain("rows"), call.name]
        for other in order:
            signs.wait(f"{other} began")

    plan = Plan(tmp_path, *(step(name, body, p=True, on_conflict=rule) for name in "abc"))
    plan.store.set("ctx", {"rows": [0, 1, 2]})
    assert plan.run(hear=signs.ended).status == "COMPLETE_SUCCESS"
    winner = "a" if rule == "first" else "c"
    assert plan.ctx["rows"][-1] == winner


def test_two_rules_that_differ_are_a_clash(tmp_path: Path) -> None:
    plan = Plan(tmp_path, step("a", lambda call: call.ctx.set("x", 1), p=True, on_conflict="first"),
                step("b", lambda call: call.ctx.set("x", 2), p=True, on_conflict="last"))
    assert plan.run().status == "COMPLETE_ERROR"


def test_what_the_plan_orders_does_not_clash(tmp_path: Path) -> None:
    def put(call: Any) -> None:
        call.ctx["x"] = call.name

    plan = Plan(tmp_path, step("a", put, p=True), step("b", put, p=True, after="a"), step("wall", put),
                step("c", put, p=True))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.ctx["x"] == "c"


def test_items_of_one_step_clash_but_not_with_what_it_collects(tmp_path: Path) -> None:
    plan = Plan(tmp_path, step("f", lambda call: call.ctx.set("x", call.item), p=True, items=[1, 2]))
    result = plan.run()
    assert result.status == "COMPLETE_ERROR" and "CtxClash" in result.error["message"]
    (tmp_path / "two").mkdir()
    plan = Plan(tmp_path / "two", step(
        "f", lambda call: call.ctx["out"].append(call.item), p=True, items=[1, 2], collect="out"))
    plan.store.set("ctx", {"out": []})
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.ctx["out"] == [None, None]


@pytest.mark.parametrize("rule", ["", "first", "last"])
def test_a_resume_between_the_two_changes_nothing(tmp_path: Path, rule: str) -> None:
    def a(call: Any) -> None:
        call.ctx["x"] = "a"

    def b(call: Any) -> None:
        call.ctx["x"] = "b"

    def refuses(call: Any) -> None:
        raise ValueError("not now")

    plan = Plan(tmp_path, step("a", a, p=True, on_conflict=rule), step("b", refuses, p=True, on_conflict=rule))
    assert plan.run().status == "COMPLETE_ERROR"
    assert plan.status == {"a": "DONE", "b": "FAILED"}
    result = plan.run(step("b", b, p=True, on_conflict=rule))
    if not rule:
        assert result.error["type"] == "CtxClash" and plan.ctx["x"] == "a"
        assert plan.run().error["type"] == "CtxClash"
    else:
        assert result.status == "COMPLETE_SUCCESS"
        assert plan.ctx["x"] == ("a" if rule == "first" else "b")


def test_a_default_that_stood_there_is_known_after_a_resume(tmp_path: Path) -> None:
    plan = Plan(tmp_path, step("a", lambda call: call.ctx.setdefault("d", {}), p=True),
                step("b", lambda call: 1 / 0, p=True))
    plan.store.set("ctx", START)
    plan.run()
    assert plan.run(step("b", lambda call: call.ctx.set("d", {}), p=True)).error["type"] == "CtxClash"


def test_one_that_gave_way_does_not_clash_after_a_resume(tmp_path: Path) -> None:
    """b lost its place to a, so c, which has no rule, finds only a's change, which is before it."""
    plan = Plan(tmp_path, step("a", lambda call: call.ctx.set("x", "a"), p=True, on_conflict="first"),
                step("b", lambda call: call.ctx.set("x", "b"), p=True, on_conflict="first"),
                step("c", lambda call: 1 / 0, p=True, after="a"))
    plan.run()
    assert plan.ctx["x"] == "a"
    result = plan.run(step("c", lambda call: call.ctx.set("x", "c"), p=True, after="a"))
    assert result.status == "COMPLETE_SUCCESS" and plan.ctx["x"] == "c"


def test_a_failed_attempt_counts_only_to_its_checkpoint(tmp_path: Path) -> None:
    tries: list[int] = []

    def a(call: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            call.ctx["kept"] = 1
            call.ctx.checkpoint()
            call.ctx["gone"] = 1
            raise ValueError("once")

    plan = Plan(tmp_path, step("a", a, p=True, retry=2), step("b", lambda call: 1 / 0, p=True))
    plan.run()
    assert plan.status["a"] == "DONE" and plan.ctx == {"kept": 1}
    assert plan.run(step("b", lambda call: call.ctx.set("gone", 2), p=True)).status == "COMPLETE_SUCCESS"
    (tmp_path / "two").mkdir()
    tries.clear()
    plan = Plan(tmp_path / "two", step("a", a, p=True, retry=2), step("b", lambda call: 1 / 0, p=True))
    plan.run()
    assert plan.run(step("b", lambda call: call.ctx.set("kept", 2), p=True)).error["type"] == "CtxClash"


PROGRAM = """
from octo.store import ParameterStore
import sys
ParameterStore(sys.argv[1]).set("ctx", "x", sys.argv[2])
"""


@pytest.mark.parametrize("how", ["the documented class", "another process"])
def test_changes_by_other_ways_in_the_step_s_name_count(tmp_path: Path, how: str) -> None:
    def body(call: Any) -> None:
        if how == "another process":
            subprocess.run(
                [sys.executable, "-c", PROGRAM, str(tmp_path / "it"), call.name], check=True, timeout=60,
                env={"PYTHONPATH": str(CHECKOUT), ENVIRONMENT_NAME: call.author.to_environment()})
        else:
            from octo.store import ParameterStore

            ParameterStore(tmp_path / "it").set("ctx", "x", call.name)

    plan = Plan(tmp_path, step("a", body, p=True), step("b", body, p=True))
    plan.store.set("ctx", {"x": ""})
    assert plan.run().error["type"] == "CtxClash"
    assert sorted(plan.status.values()) == ["DONE", "FAILED"]


def test_a_background_step_shares_ctx_and_never_clashes(tmp_path: Path) -> None:
    signs = Signs()

    def server(call: Any) -> None:
        call.ctx["x"] = "server"
        signs.give("set")
        call.stop.wait()

    def client(call: Any) -> None:
        signs.wait("set")
        call.ctx["x"] = "client"

    plan = Plan(tmp_path, step("server", server, background=True), step("client", client, p=True))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.ctx["x"] == "client"


def test_after_a_failure_what_will_never_run_orders_nothing(tmp_path: Path) -> None:
    """Had it run, the second wall would have stood between p and last; it needs what failed."""
    signs = Signs()

    def p(call: Any) -> None:
        call.ctx["x"] = 1
        signs.wait("last began")

    def last(call: Any) -> None:
        signs.give("last began")
        call.ctx["x"] = 2

    plan = Plan(tmp_path, step("n", lambda call: 1 / 0, p=True), step("wall"), step("p", p, p=True),
                step("second", after="n"), step("last", last, p=True))
    result = plan.run(keep_going=True)
    assert result.status == "COMPLETE_ERROR"
    assert "CtxClash" in {plan.entry(name)["error"]["type"] for name in ("p", "last") if plan.status[name] == "FAILED"}


@pytest.mark.parametrize("undone", ["a", "b", "ab", "ba"])
@pytest.mark.parametrize("rule", ["first", "last"])
@pytest.mark.parametrize("case", ["lists", "dicts", "numbers"])
def test_what_gave_way_is_undone_with_its_step(tmp_path: Path, case: str, rule: str, undone: str) -> None:
    """Steps that are undone later (`--resume-from`) leave nothing behind, however their conflict went."""
    start: dict[str, Any] = {"rows": [0, 1, 2, 3], "d": {"old": 0}, "n": 3}
    one, other = {
        "lists": (lambda ctx: ctx.append("rows", "a"), lambda ctx: ctx.__setitem__("rows", [0, "b", 2, 3, "b"])),
        "dicts": (inside("k", "a"), set_to({"new": "b"}, "d")),
        "numbers": (lambda ctx: ctx.increment("n", 10), set_to(100, "n")),
    }[case]
    plan = Plan(tmp_path, step("a", lambda call: one(call.ctx), p=True, on_conflict=rule),
                step("b", lambda call: other(call.ctx), p=True, on_conflict=rule))
    plan.store.set("ctx", start)
    assert plan.run(limits=Limits(steps=1)).status == "COMPLETE_SUCCESS"
    alone = {}
    for name, change in (("a", one), ("b", other)):
        ctx = Context(start)
        change(ctx)
        alone[name] = ctx.plain()
    winner, loser = ("a", "b") if rule == "first" else ("b", "a")
    assert plan.ctx == alone[winner]
    for names in undone:
        undo(plan, names)
    expected = start if winner in undone else alone[winner]
    assert plan.ctx == expected, (loser, undone)
    undo_all = [name for name in "ab" if name not in undone]
    for name in undo_all:
        undo(plan, name)
    assert plan.ctx == start


def test_both_undone_at_once(tmp_path: Path) -> None:
    start = {"rows": [0, 1, 2, 3]}
    plan = Plan(tmp_path, step("a", lambda call: call.ctx.append("rows", "a"), p=True, on_conflict="first"),
                step("b", lambda call: call.ctx.set("rows", ["b"]), p=True, on_conflict="first"))
    plan.store.set("ctx", start)
    assert plan.run(limits=Limits(steps=1)).status == "COMPLETE_SUCCESS"
    undo(plan, "a", "b")
    assert plan.ctx == start


def undo(plan: Plan, *names: str) -> None:
    calls = [call for name in names for call in plan.entry(name)["calls"]]
    file = plan.store._state_file
    with file.transaction("octo") as tx:
        undo_calls(tx, file.lines_since, calls, "ctx")
        tx.flags["fence"] = calls


@pytest.mark.parametrize("killed", [False, True])
def test_an_undo_after_the_undo_of_a_step_that_began_earlier(tmp_path: Path, killed: bool) -> None:
    """The earlier undo wrote the list anew, with what the later one is to take out again."""
    signs = Signs()

    def first(call: Any) -> None:
        call.ctx.append("rows", "first")
        signs.give("first in")
        signs.wait("second in")
        raise ValueError("no")

    def second(call: Any) -> None:
        signs.wait("first in")
        call.ctx.append("rows", "second")
        signs.give("second in")
        signs.wait("first over")
        if killed:
            raise KeyboardInterrupt
        raise ValueError("no")

    plan = Plan(tmp_path, step("first", first, p=True), step("second", second, p=True))
    assert plan.run(hear=signs.ended, keep_going=True).status == "COMPLETE_ERROR"
    assert not plan.ctx.get("rows")
