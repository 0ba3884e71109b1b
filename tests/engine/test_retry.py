"""Retry: how many tries, after how long, of which errors, and what a stop or a kill in a delay does."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from octo.engine.retry import Retry
from octo.store import GLOBAL
from tests.engine.kit import Box

FLAKY = """
class MyError(ValueError): pass
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {"retry": RETRY}}
    def METHOD(self):
        say("try")
        if said("try") < 3:
            raise MyError(f"try {said('try')}")
    EXECUTE
"""


def flaky(tmp_path: Path, retry: str, method: str = "step_execute") -> Box:
    execute = "" if method == "step_execute" else "def step_execute(self): pass"
    return Box(tmp_path, FLAKY.replace("RETRY", retry).replace("METHOD", method).replace("EXECUTE", execute))


@pytest.mark.parametrize("method", ["step_entry", "step_execute", "step_exit"])
def test_attempts_counts_all_tries(tmp_path: Path, method: str) -> None:
    box = flaky(tmp_path / "3", "3", method)
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["try"] * 3 and box.count == 1 and box.setting("last_error") is None
    failed = [event.data for event in box.events if event.kind == "step_failed"]
    assert [(data["attempt"], data["attempts"], data["will_retry"]) for data in failed] == [
        (1, 3, True),
        (2, 3, True),
    ]
    box = flaky(tmp_path / "2", '{"attempts": 2}', method)
    assert box.run().status == "COMPLETE_ERROR"
    assert box.calls == ["try"] * 2 and box.setting("last_error")["message"] == "try 2"
    assert [event.data["will_retry"] for event in box.events if event.kind == "step_failed"] == [True, False]


def test_step_advance_is_not_tried_again(tmp_path: Path) -> None:
    box = flaky(tmp_path, "3", "step_advance")
    assert box.run().status == "COMPLETE_ERROR" and box.calls == ["try"]


@pytest.mark.parametrize(
    ("exceptions", "tries"),
    [('["MyError"]', 3), ('["ValueError"]', 3), ('"Exception"', 3), ('["KeyError", "OSError"]', 1), ("[]", 3),
     ("[ValueError]", 3), ("MyError", 3), ("[KeyError]", 1)],
)  # fmt: skip
def test_only_the_exceptions_that_are_named_or_their_bases(
    tmp_path: Path, exceptions: str, tries: int
) -> None:
    box = flaky(tmp_path, f'{{"attempts": 3, "exceptions": {exceptions}}}')
    box.run()
    assert box.calls == ["try"] * tries


def test_a_wrong_return_value_is_step_failed(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"retry": {"attempts": 3, "exceptions": ["StepFailed"]}}}
        def step_execute(self):
            say("try")
            return 0 if said("try") == 2 else 7
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["try"] * 2


def test_delays_grow_up_to_the_most() -> None:
    retry = Retry.of({"attempts": 9, "delay": 1, "backoff": 2.0, "max_delay": 5})
    assert [retry.wait(made) for made in (1, 2, 3, 4, 2000)] == [1, 2, 4, 5, 5]
    assert Retry.of(4).wait(3) == 0 and Retry.of(None).attempts == 1
    assert Retry.of({"attempts": 2, "delay": 7200}).wait(1) == 3600


def test_the_delay_is_waited_for(tmp_path: Path) -> None:
    box = flaky(tmp_path, '{"attempts": 3, "delay": 0.1, "backoff": 2}')
    started = time.monotonic()
    assert box.run().status == "COMPLETE_SUCCESS"
    assert time.monotonic() - started > 0.3
    assert [event.data["delay"] for event in box.events if event.kind == "step_failed"] == [0.1, 0.2]
    assert "try 2 of 3 in 0.1 s" in box.log


def test_ctrl_c_ends_a_delay_at_once(tmp_path: Path) -> None:
    box = flaky(tmp_path, '{"attempts": 3, "delay": 60}')
    process = box.start()
    box.wait_for("try")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert (box.setting("step_engine_state"), box.setting("ended_by")) == ("PAUSED", "signal")
    assert box.setting("last_error")["message"] == "try 1"
    assert (box.position["begun"], box.position["retries"]) == (False, 1)
    box.replace('"delay": 60', '"delay": 0')
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["try"] * 3 and box.setting("last_error") is None


@pytest.mark.parametrize("method", ["step_entry", "step_execute"])
def test_a_kill_in_a_delay(tmp_path: Path, method: str) -> None:
    box = flaky(tmp_path, '{"attempts": 3, "delay": 60}', method)
    process = box.start()
    box.wait_for("try")
    while box.setting("last_error") is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    box.replace('"delay": 60', '"delay": 0')
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["try"] * 3 and box.setting("last_error") is None, "the tries made before count"
    assert box.position["visits"] == {"step_node_one": 1}


def test_a_new_run_after_the_error_has_fresh_tries(tmp_path: Path) -> None:
    box = flaky(tmp_path, "2")
    box.replace("< 3", "< 4")
    assert box.run().status == "COMPLETE_ERROR" and len(box.calls) == 2
    assert box.run().status == "COMPLETE_SUCCESS" and len(box.calls) == 4


def test_each_method_has_its_own_tries(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"retry": 2}}
        def act(self, name):
            say(name)
            if said(name) == 1:
                raise ValueError
        def step_entry(self): self.act("entry")
        def step_execute(self): self.act("execute")
        def step_exit(self): self.act("exit")
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["entry", "entry", "execute", "execute", "exit", "exit"] and box.count == 1


@pytest.mark.parametrize("way", ["retry", "arrow", "neither"])
def test_an_error_while_a_stop_was_asked_for(tmp_path: Path, way: str) -> None:
    """A body that raises because it was told to stop has not failed for good: no try lost, no arrow."""
    retry = '"retry": 2' if way == "retry" else ""
    arrow = (
        '"step_arrow_graph_list_key_failure_path": {"arrow_step_name_string": "step_node_mend"}'
        if way == "arrow"
        else ""
    )
    box = Box(
        tmp_path,
        f"""
    class step_node_one(StepNode):
        step_node_graph_dict = {{"step_node_one": {{"first_node_step_bool": 1, {retry}}}}}
        step_arrow_graph_dict = {{{arrow}}}
        def step_execute(self):
            if once("first"):
                self.ctx["half"] = 1
                os.kill(os.getpid(), signal.SIGINT)
                self.ctx.stop.wait(5)
                raise ValueError("told to stop")
            say("again")
    class step_node_mend(StepNode):
        def step_execute(self): say("mend")
    """,
    )
    result = box.run()
    assert (result.status, result.exit_code) == (
        ("COMPLETE_ERROR", 1) if way == "neither" else ("PAUSED", 130)
    )
    assert box.ctx == {} and box.calls == []
    assert box.setting("last_error")["message"] == "told to stop"
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["again"]
    assert box.setting("last_error") is None and box.count == 1


def test_a_missing_counter_or_group_is_made(tmp_path: Path) -> None:
    box = flaky(tmp_path, "3")
    box.store.delete(GLOBAL, "run_step_count")
    box.run()
    assert box.count == 1
