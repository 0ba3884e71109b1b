"""Plans that run: failures, retries, fan-out, background steps, breakpoints, limits, what is left behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from octo.engine.dag import Limits
from octo.engine.work import Cached
from octo.errors import AttemptEnded, StepFailed
from octo.store.author import ENVIRONMENT_NAME
from tests.engine.dag_kit import LONG, Plan, Signs, step


def fails(call: Any) -> None:
    call.ctx["half"] = call.name
    raise ValueError("no")


def put(call: Any) -> None:
    call.ctx[call.name] = True


# -- failures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [False, True])
def test_a_failed_step_is_undone_and_nothing_new_starts(tmp_path: Path, p: bool) -> None:
    plan = Plan(tmp_path, step("a", put, p=p), step("b", fails, p=p, after="a"), step("c", put, p=p, after="b"))
    result = plan.run()
    assert (result.status, result.ended_by, result.error["node"]) == ("COMPLETE_ERROR", "error", "b")
    assert plan.ctx == {"a": True} and plan.status == {"a": "DONE", "b": "FAILED", "c": "WAITING"}
    assert plan.setting("last_error")["ctx_undone"] == ["ctx/half"]
    assert plan.run(step("b", put, p=p, after="a")).steps == 2
    assert plan.ctx == {"a": True, "b": True, "c": True} and plan.setting("last_error") is None


def test_what_runs_beside_a_failure_is_let_finish(tmp_path: Path) -> None:
    signs = Signs()

    def bad(call: Any) -> None:
        signs.wait("beside runs")
        fails(call)

    def waits(call: Any) -> None:
        signs.give("beside runs")
        signs.wait("bad over")
        put(call)

    plan = Plan(tmp_path, step("bad", bad, p=True), step("beside", waits, p=True), step("later", put, p=True,
                                                                                     after="beside"))
    assert plan.run(hear=signs.ended).status == "COMPLETE_ERROR"
    assert plan.status == {"bad": "FAILED", "beside": "DONE", "later": "WAITING"}


def test_keep_going_runs_all_that_does_not_depend_on_it(tmp_path: Path) -> None:
    plan = Plan(tmp_path, step("a", fails), step("b", put, after="a"), step("c", put), step("d", put, p=True))
    result = plan.run(keep_going=True)
    assert result.status == "COMPLETE_ERROR" and plan.ctx == {"c": True, "d": True}
    assert plan.status == {"a": "FAILED", "b": "WAITING", "c": "DONE", "d": "DONE"}


def test_allow_failure_counts_as_met(tmp_path: Path) -> None:
    plan = Plan(tmp_path, step("a", fails, allow_failure=True), step("b", put, after="a"))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.status == {"a": "FAILED", "b": "DONE"} and plan.setting("last_error") is None


@pytest.mark.parametrize("p", [False, True])
@pytest.mark.parametrize("error", [SystemExit(3), StepFailed("no"), MemoryError(), GeneratorExit()])
def test_whatever_a_body_raises_fails_the_step(tmp_path: Path, error: BaseException, p: bool) -> None:
    def body(call: Any) -> None:
        raise error

    plan = Plan(tmp_path, step("a", body, p=p), step("b", put))
    assert plan.run().error["type"] == type(error).__name__
    assert plan.run(step("a", put, p=p)).status == "COMPLETE_SUCCESS"


def test_keyboard_interrupt_in_a_pool_thread_fails_the_step(tmp_path: Path) -> None:
    def body(call: Any) -> None:
        raise KeyboardInterrupt

    assert "KeyboardInterrupt" in Plan(tmp_path, step("a", body, p=True)).run().error["message"]


@pytest.mark.parametrize("p", [False, True])
def test_retry_undoes_each_try(tmp_path: Path, p: bool) -> None:
    def body(call: Any) -> None:
        call.ctx.append("tries", call.attempt)
        call.ctx.record("log", call.attempt)
        if call.attempt < 3:
            raise ValueError(call.attempt)

    plan = Plan(tmp_path, step("a", body, p=p, retry={"attempts": 3, "delay": 0.001}))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.ctx == {"tries": [3], "log": [1, 2, 3]} and plan.entry("a")["attempt"] == 3


def test_a_clash_is_not_tried_again(tmp_path: Path) -> None:
    plan = Plan(tmp_path, *(step(name, lambda call: call.ctx.set("x", 1), p=True, retry=5) for name in "ab"))
    plan.run()
    loser = next(name for name in "ab" if plan.status[name] == "FAILED")
    assert plan.entry(loser)["attempt"] == 1


@pytest.mark.parametrize("p", [False, True])
def test_a_checkpoint_stays_when_the_step_fails(tmp_path: Path, p: bool) -> None:
    def body(call: Any) -> None:
        call.ctx.increment("done")
        call.ctx.checkpoint()
        call.ctx.increment("done")
        raise ValueError("no")

    plan = Plan(tmp_path, step("a", body, p=p))
    plan.run()
    assert plan.ctx == {"done": 1}
    plan.run(step("a", lambda call: call.ctx.increment("done"), p=p))
    assert plan.ctx == {"done": 2} and len(plan.entry("a")["calls"]) == 2


# -- what has ended writes no more ---------------------------------------------------------------------


@pytest.mark.parametrize("p", [False, True])
def test_a_thread_that_outlives_its_step_changes_nothing(tmp_path: Path, p: bool) -> None:
    signs, caught = Signs(), []

    def body(call: Any) -> None:
        def goes_on() -> None:
            signs.wait("a over")
            try:
                call.ctx["late"] = 1
            except AttemptEnded as error:
                caught.append(error)
            signs.give("tried")

        threading.Thread(target=goes_on, daemon=True).start()

    plan = Plan(tmp_path, step("a", body, p=p), step("b", lambda call: signs.wait("tried"), after="a"))
    assert plan.run(hear=signs.ended).status == "COMPLETE_SUCCESS"
    assert len(caught) == 1 and plan.ctx == {}


def test_threads_of_a_body_write_in_its_name(tmp_path: Path) -> None:
    def body(call: Any) -> None:
        threads = [threading.Thread(target=call.ctx.increment, args=("n",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        raise ValueError("no")

    plan = Plan(tmp_path, step("a", body, p=True))
    plan.run()
    assert plan.ctx == {} and plan.setting("last_error")["ctx_undone"] == ["ctx/n"]


@pytest.mark.parametrize("p", [False, True])
def test_a_body_that_takes_too_long_fails(tmp_path: Path, p: bool) -> None:
    """In the main thread an alarm ends it; in a thread of the pool it is left behind, and writes nothing more."""
    signs, late = Signs(), []

    def slow(call: Any) -> None:
        def wait() -> None:
            try:
                signs.wait("a over")
            finally:
                if p:
                    try:
                        call.ctx["late"] = 1
                    except AttemptEnded:
                        late.append(call.name)
                    signs.give("tried")

        call.ctx["half"] = 1
        call.within(0.1, wait)

    plan = Plan(tmp_path, step("a", slow, p=p))
    result = plan.run(hear=signs.ended)
    assert result.error["type"] == "StepTimeout" and plan.ctx == {}
    if p:
        signs.wait("tried")
        assert late == ["a"] and plan.ctx == {}


def test_only_a_step_that_runs_alone_is_in_the_environment(tmp_path: Path) -> None:
    seen: dict[str, bool] = {}
    signs = Signs()

    def look(call: Any) -> None:
        seen[call.name] = ENVIRONMENT_NAME in os.environ

    def background(call: Any) -> None:
        if call.attempt == 1:
            signs.wait("alone runs")
            raise ValueError("again")  # its next attempt must not take away what the step alone has
        signs.give("again")
        call.stop.wait()

    def alone(call: Any) -> None:
        signs.give("alone runs")
        signs.wait("again")
        look(call)

    plan = Plan(tmp_path, step("bg", background, background=True, retry=2), step("alone", alone),
                step("p", look, p=True))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert seen == {"alone": True, "p": False}


def test_a_body_that_removes_its_directory_ends_well(tmp_path: Path) -> None:
    def body(call: Any) -> None:
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir(tmp_path / "it" / "gone")

    plan = Plan(tmp_path, step("a", body), step("b", lambda call: call.ctx.set("here", os.getcwd())))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.ctx["here"] == str((tmp_path / "it").resolve())


# -- side by side --------------------------------------------------------------------------------------


def test_all_that_may_start_does(tmp_path: Path) -> None:
    meet = threading.Barrier(5)

    def body(call: Any) -> None:
        meet.wait(LONG)

    plan = Plan(tmp_path, step("first", put), *(step(f"p{number}", body, p=True, after="first") for number in range(5)),
                step("last", put))
    assert plan.run(limits=Limits(steps=5)).status == "COMPLETE_SUCCESS"


def test_no_more_than_the_limit_run_at_once(tmp_path: Path) -> None:
    running, most, lock = set(), [0], threading.Lock()

    def body(call: Any) -> None:
        with lock:
            running.add(call.name)
            most[0] = max(most[0], len(running))
        time.sleep(0.002)
        with lock:
            running.discard(call.name)

    plan = Plan(tmp_path, *(step(f"s{number}", body, p=True) for number in range(60)))
    assert plan.run(limits=Limits(steps=3)).steps == 60
    assert most[0] == 3


def test_many_small_steps_are_all_recorded_once(tmp_path: Path) -> None:
    def body(call: Any) -> None:
        call.ctx.increment("n")

    steps = [step(f"s{number}", body, p=number % 7 != 3,
                  after=[f"s{number // 2}", f"s{number - 1}"] if number % 5 == 4 else ()) for number in range(400)]
    plan = Plan(tmp_path, *steps)
    assert plan.run().steps == 400
    assert plan.ctx == {"n": 400} and set(plan.status.values()) == {"DONE"}
    assert plan.setting("run_step_count") - 1 == 400
    assert not plan.store._state_file.open_calls


def test_a_condition_sees_the_step_that_has_just_ended(tmp_path: Path) -> None:
    seen: list[Any] = []

    def look(call: Any) -> str:
        seen.append(plan.entry("a").get("result"))
        return ""

    for p in (False, True):
        (tmp_path / str(p)).mkdir()
        plan = Plan(tmp_path / str(p), step("a", lambda call: 7, p=p), step("b", put, p=p, after="a", skips=look))
        plan.run()
    assert seen == [7, 7]


def test_a_condition_that_cannot_be_had_fails_the_step(tmp_path: Path) -> None:
    def bad(call: Any) -> Any:
        raise KeyError("nothing")

    for more in ({"skips": bad}, {"cached": bad}, {"items": bad}):
        (tmp_path / "_".join(more)).mkdir()
        plan = Plan(tmp_path / "_".join(more), step("a", put, **more))
        assert plan.run().error["type"] == "KeyError" and plan.status == {"a": "FAILED"}


def test_skipped_and_cached_count_as_met(tmp_path: Path) -> None:
    ops = [{"op": "set", "path": ["ctx", "x"], "value": 5}]
    plan = Plan(tmp_path, step("a", fails, skips=lambda call: "not today"),
                step("b", fails, after="a", cached=lambda call: Cached("kept", ops, "as before")),
                step("c", put, after="b"))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.status == {"a": "SKIPPED", "b": "CACHED", "c": "DONE"} and plan.ctx == {"x": 5, "c": True}


def test_a_result_that_cannot_be_kept_is_a_warning(tmp_path: Path) -> None:
    def keep(call: Any, result: Any, ops: Any) -> None:
        raise OSError("the disk is full")

    for p in (False, True):
        (tmp_path / str(p)).mkdir()
        plan = Plan(tmp_path / str(p), step("a", put, p=p, keep=keep))
        assert plan.run().status == "COMPLETE_SUCCESS" and "the disk is full" in plan.log


def test_a_hook_that_exits_is_a_warning(tmp_path: Path) -> None:
    def hook(call: Any, status: str, error: Any) -> None:
        call.ctx["hook"] = status
        raise SystemExit(2)

    for p in (False, True):
        (tmp_path / str(p)).mkdir()
        plan = Plan(tmp_path / str(p), step("a", put, p=p, on_success=hook))
        assert plan.run().status == "COMPLETE_SUCCESS"
        assert plan.ctx == {"a": True} and "a:on_success failed: SystemExit" in plan.log


# -- fan-out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [False, True])
def test_a_failed_item_lets_others_finish_and_a_resume_runs_only_it(tmp_path: Path, p: bool) -> None:
    ran: list[int] = []

    def body(call: Any) -> int:
        ran.append(call.item)
        if call.item == 20 and len(ran) <= 3:
            raise ValueError("not twenty")
        return call.item + call.index  # type: ignore[no-any-return]

    reads = iter([[10, 20, 30], [0]])
    fan = step("f", body, p=p, items=lambda call: next(reads), collect="out", skips=lambda call: "")
    plan = Plan(tmp_path, fan, step("after", put, after="f"))
    result = plan.run()
    assert sorted(ran) == [10, 20, 30] and plan.status["f"] == "FAILED"
    assert "1 of 3 items failed: f[1]: ValueError: not twenty" in result.error["message"]
    ran.clear()
    ran += [0, 0, 0]
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert ran[3:] == [20]
    assert plan.ctx["out"] == [10, 21, 32] == plan.entry("f")["result"]
    assert plan.setting("run_step_count") - 1 == 5  # three items, their step, the one behind it


def test_a_condition_is_asked_once_for_a_step_whose_items_have_begun(tmp_path: Path) -> None:
    asked: list[str] = []

    def skips(call: Any) -> str:
        asked.append(call.name)
        return "later it would be skipped" if len(asked) > 1 else ""

    plan = Plan(tmp_path, step("f", put, items=[1, 2], skips=skips))
    assert plan.run(count=1).status == "PAUSED"
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.status == {"f": "DONE"} and plan.ctx == {"f[0]": True, "f[1]": True}


def test_nothing_to_fan_out_over(tmp_path: Path) -> None:
    plan = Plan(tmp_path, step("f", put, p=True, items=[], collect="out"), step("b", put, after="f"))
    assert plan.run().status == "COMPLETE_SUCCESS" and plan.ctx == {"out": [], "b": True}


# -- background ----------------------------------------------------------------------------------------


def test_a_background_step_is_stopped_at_the_end_and_started_again_by_a_resume(tmp_path: Path) -> None:
    signs = Signs()

    def server(call: Any) -> None:
        call.ctx.increment("starts")
        signs.give("up")
        assert call.stop.wait(LONG)

    def client(call: Any) -> None:
        signs.wait("up")
        raise ValueError("no")

    plan = Plan(tmp_path, step("server", server, background=True), step("client", client, after="server"))
    assert plan.run().status == "COMPLETE_ERROR"
    assert plan.status == {"server": "STOPPED", "client": "FAILED"}
    assert plan.run(step("client", lambda call: signs.wait("up"), after="server")).status == "COMPLETE_SUCCESS"
    assert plan.ctx == {"starts": 2} and plan.status == {"server": "STOPPED", "client": "DONE"}


def test_a_background_step_that_does_not_stop_is_left_behind(tmp_path: Path) -> None:
    signs, late = Signs(), []

    def deaf(call: Any) -> None:
        signs.give("up")
        signs.wait("the run is over")
        try:
            call.ctx["late"] = 1
        except AttemptEnded:
            late.append(1)
        signs.give("tried")

    plan = Plan(tmp_path, step("deaf", deaf, background=True, stop_timeout=0.05),
                step("a", lambda call: signs.wait("up")))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert "did not stop within 0.05 s" in plan.log
    before = plan.entry("deaf")
    signs.give("the run is over")
    signs.wait("tried")
    assert late and plan.ctx == {} and plan.entry("deaf") == before and before["status"] == "STOPPED"


def test_a_background_step_that_raises_fails_the_run(tmp_path: Path) -> None:
    signs = Signs()

    def server(call: Any) -> None:
        raise ValueError("no port")

    plan = Plan(tmp_path, step("server", server, background=True), step("a", lambda call: signs.wait("server over")),
                step("b", put))
    result = plan.run(hear=signs.ended)
    assert result.status == "COMPLETE_ERROR" and result.error["node"] == "server" and plan.ctx == {}


def test_a_background_step_may_raise_when_it_is_to_stop(tmp_path: Path) -> None:
    signs = Signs()

    def server(call: Any) -> None:
        signs.give("up")
        call.stop.wait()
        raise ConnectionError("cut off")

    plan = Plan(tmp_path, step("server", server, background=True), step("a", lambda call: signs.wait("up")))
    assert plan.run().status == "COMPLETE_SUCCESS"
    assert plan.status["server"] == "STOPPED" and "ConnectionError" in plan.log


def test_a_background_step_that_waits_for_its_next_try_holds_up_nothing(tmp_path: Path) -> None:
    signs = Signs()
    plan = Plan(tmp_path, step("server", fails, background=True, retry={"attempts": 2, "delay": 1000.0}),
                step("a", lambda call: signs.wait("server over")))
    assert plan.run(hear=signs.ended).status == "COMPLETE_SUCCESS"
    assert plan.status["server"] == "STOPPED" and "left behind" not in plan.log


# -- pauses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [False, True])
def test_breakpoints_stop_once(tmp_path: Path, p: bool) -> None:
    plan = Plan(tmp_path, step("a", put, p=p), step("b", put, p=p, after="a", entry_breakpoint=True,
                                                     exit_breakpoint=True), step("c", put, p=p, after="b"))
    seen = []
    for _ in range(3):
        result = plan.run()
        seen.append((result.status, sorted(plan.ctx)))
    assert seen == [("PAUSED", ["a"]), ("PAUSED", ["a", "b"]), ("COMPLETE_SUCCESS", ["a", "b", "c"])]


def test_a_breakpoint_of_one_item(tmp_path: Path) -> None:
    plan = Plan(tmp_path, step("f", put, items=[1, 2, 3]))
    plan.store.set("breakpoints", {"f[1]": {"entry": True}})
    result = plan.run()
    assert result.status == "PAUSED" and result.reasons == ["breakpoint at entry of f[1]"]
    assert sorted(plan.ctx) == ["f[0]"]
    assert plan.run().status == "COMPLETE_SUCCESS" and len(plan.ctx) == 3


@pytest.mark.parametrize("p", [False, True])
def test_a_limit_of_steps(tmp_path: Path, p: bool) -> None:
    plan = Plan(tmp_path, *(step(f"s{number}", put, p=p) for number in range(5)))
    assert (plan.run(count=2).status, len(plan.ctx)) == ("PAUSED", 2)
    assert (plan.run(count=3).status, len(plan.ctx)) == ("COMPLETE_SUCCESS", 5)


def test_a_left_out_step_orders_nothing(tmp_path: Path) -> None:
    """b is left out, so a and c run side by side, although the plan puts b between them."""
    meet = threading.Barrier(2)

    def body(call: Any) -> None:
        meet.wait(LONG)
        call.ctx["x"] = call.name

    plan = Plan(tmp_path, step("a", body, p=True), step("b", put, p=True, after="a"),
                step("c", body, p=True, after="b"))
    result = plan.run(skip=("b",))
    assert result.error["type"] == "CtxClash"


# -- what goes wrong in the engine itself --------------------------------------------------------------


def test_pool_threads_end_with_the_run(tmp_path: Path) -> None:
    plan = Plan(tmp_path, *(step(f"s{number}", put, p=True) for number in range(20)))
    before = set(threading.enumerate())
    plan.run()
    mine = [thread for thread in threading.enumerate() if thread not in before and "octo-step" in thread.name]
    for thread in mine:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in mine)
