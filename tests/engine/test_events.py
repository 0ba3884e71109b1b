"""Events and their order, subscribers that fail, the log file, the console, and what prints where."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import time
from pathlib import Path

import pytest

from octo.engine import Event
from octo.engine.output import RunLog, Tee
from tests.engine.kit import Box

SOURCE = """
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1, "retry": 2}}
    step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
    def step_execute(self):
        if once("failed"): raise ValueError("once")
class step_node_two(StepNode):
    step_node_graph_dict = {"step_node_two": {"node_exit_breakpoint": 1}}
    def step_execute(self): pass
"""


def told(box: Box) -> list[tuple[str, str]]:
    return [(event.kind, event.node) for event in box.events]


def test_events_in_their_order(tmp_path: Path) -> None:
    box = Box(tmp_path, SOURCE)
    before = time.time()
    result = box.run()
    one, two = "step_node_one", "step_node_two"
    assert told(box) == [
        ("run_started", ""), ("step_entered", one), ("step_failed", one), ("step_executed", one),
        ("step_exited", one), ("arrow_taken", one), ("step_entered", two), ("step_executed", two),
        ("step_exited", two), ("breakpoint_hit", two), ("run_ended", two),
    ]  # fmt: skip
    data = {kind: event.data for event in box.events for kind in [event.kind]}
    started = box.events[0].data
    assert (started["run_id"], started["resumed"], started["instance"]) == (
        result.run_id,
        False,
        box.directory,
    )
    assert (
        set(started["graph"].nodes) == {one, two}
        and started["state"]["global_parameters"]["step_engine_state"] == "INACTIVE"
    )
    assert data["step_executed"]["skipped"] is False and data["step_executed"]["seconds"] >= 0
    assert data["step_failed"]["error"]["message"] == "once" and data["step_failed"]["arrow"] == ""
    assert data["arrow_taken"] == {"key": "on", "target": two}
    assert data["breakpoint_hit"] == {"where": "exit"} and data["run_ended"]["result"] is result
    assert [event.visit for event in box.events] == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert all(before <= event.time <= time.time() for event in box.events)
    box.run()
    assert told(box) == [("run_started", ""), ("step_entered", two), ("arrow_taken", two), ("run_ended", two)]
    assert (
        box.events[0].data["resumed"] and box.events[1].data["resumed"] and box.events[2].data["target"] == ""
    )


def test_the_failure_arrow_is_named(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
        step_arrow_graph_dict = {
            "step_arrow_graph_list_key_failure_path": {"arrow_step_name_string": "step_node_two"}}
        def step_execute(self): raise ValueError
    class step_node_two(StepNode):
        def step_execute(self): pass
    """,
    )
    box.run()
    arrows = [
        event.data.get("arrow", event.data.get("key"))
        for event in box.events
        if event.kind in ("step_failed", "arrow_taken")
    ]
    assert arrows == ["step_arrow_graph_list_key_failure_path"] * 2 + ["COMPLETE"]


def test_a_subscriber_that_fails_is_told_nothing_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path, SOURCE)
    seen = []

    def failing(event: Event) -> None:
        seen.append(event.kind)
        if len(seen) == 2:
            raise RuntimeError("I am full")

    assert box.run(subscribers=(failing,)).ended_by == "breakpoint"
    assert len(seen) == 2 and "failed and is told nothing more" in caplog.text and "I am full" in caplog.text
    assert box.kinds[-1] == "run_ended", "the others go on"


# -- the log


PRINTS = """
import logging
print("while it is imported", file=sys.stderr)
class step_node_one(StepNode):
    def step_execute(self):
        print("printed")
        print("in", "two", end=" ")
        print("parts")
        print("of two\\nlines")
        sys.stderr.write("to stderr\\n")
        self.log.debug("a detail")
        self.log.warning("careful %d", 7)
        logging.getLogger("somebody").warning("elsewhere")
        print("no end of line", end="")
    def step_exit(self):
        print()
        print("\\udcff odd")
"""


def test_everything_that_steps_print_and_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = Box(tmp_path, PRINTS)
    box.run()
    lines = box.log.splitlines()
    parsed = [re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (\S+): (.*)", line) for line in lines]
    assert all(parsed), lines
    texts = [match[3] for match in parsed if match and match[2] == "step_node_one"]
    assert texts[0] == "entered (visit 1)"
    assert texts[1:9] == [
        "printed", "in two parts", "of two", "lines", "to stderr", "DEBUG a detail", "WARNING careful 7",
        "WARNING elsewhere",
    ]  # fmt: skip
    assert "no end of line" in texts and "\\udcff odd" in texts
    assert texts[-1] == "COMPLETE -> end"
    assert lines[0].endswith(" octo: run " + box.setting("run_id") + " begins")
    assert lines[-1].endswith(" octo: COMPLETE_SUCCESS: step_node_one ended the graph")
    out = capsys.readouterr()
    assert "printed\nin two parts\nof two\nlines\n" in out.out and "to stderr" in out.err


def test_the_streams_are_given_back(tmp_path: Path) -> None:
    box = Box(tmp_path, PRINTS.replace('print("printed")', "raise ValueError"))
    before = sys.stdout, sys.stderr, list(logging.getLogger().handlers), logging.getLogger("octo.step").level
    box.run()
    assert (
        sys.stdout,
        sys.stderr,
        logging.getLogger().handlers,
        logging.getLogger("octo.step").level,
    ) == before


def test_a_stream_that_the_step_changed_is_left_alone(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    import io
    class step_node_one(StepNode):
        def step_execute(self):
            sys.stdout = sys.stderr = io.StringIO()
    """,
    )
    before = sys.stdout, sys.stderr
    try:
        box.run()
        assert isinstance(sys.stdout, io.StringIO)
    finally:
        sys.stdout, sys.stderr = before


def test_an_error_is_in_the_log_with_its_traceback(tmp_path: Path) -> None:
    box = Box(tmp_path, SOURCE)
    box.run()
    assert (
        "FAILED in EXECUTE: ValueError: once" in box.log and "Traceback (most recent call last):" in box.log
    )
    assert (
        "try 2 of 2 in 0 s" in box.log
        and "breakpoint at exit" in box.log
        and "on -> step_node_two" in box.log
    )


@pytest.mark.slow
def test_a_slow_step_is_in_the_log_while_it_runs(tmp_path: Path) -> None:
    """Quick events may wait for each other, but not long."""
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
        step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
        def step_execute(self): pass
    class step_node_two(StepNode):
        def step_execute(self):
            say("in")
            while not os.path.exists("go"): time.sleep(0.01)
    """,
    )
    process = box.start()
    box.wait_for("in")
    time.sleep(0.8)
    assert "step_node_two: entered" in box.log
    (box.directory / "go").touch()
    process.wait(20)


def test_log_lines_go_to_the_console_where_nobody_else_handles_them(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        PRINTS.replace('"a detail")', '"a detail"); self.log.info("news")').replace("udcff", "u00ff"),
    )
    done = box.child()
    assert "step_node_one: news\n" in done.stderr and "step_node_one: WARNING careful 7\n" in done.stderr
    assert "somebody: WARNING elsewhere\n" in done.stderr and "a detail" not in done.stderr
    assert done.stdout.startswith("printed\n") and done.returncode == 0


def test_a_console_that_was_closed_does_not_stop_the_run(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_execute(self):
            for number in range(100):
                print("x" * 1000, flush=True)
                print("x" * 1000, file=sys.stderr, flush=True)
            say("done")
    """,
    )
    code = """
import os, sys
read, write = os.pipe()
os.dup2(write, 1); os.dup2(write, 2); os.close(write); os.close(read)
from octo.engine.engine import Engine
os._exit(Engine({instance!r}, draw=False).run().exit_code)
"""
    assert box.child(code).returncode == 0
    assert box.calls == ["done"] and box.log.count("x" * 1000) == 200


def test_a_full_disk_under_the_log_is_not_an_error_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path / "Logs" / "x.log")

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.line("lost")
    monkeypatch.undo()
    log.line("kept")
    log.close()
    log.line("too late")
    assert log.path.read_text().endswith("-: kept\n")


def test_a_tee_looks_like_the_stream_it_stands_before(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "x.log")
    with open(tmp_path / "out", "w+", encoding="utf-8") as stream:
        tee = Tee(log, stream)
        assert tee.fileno() == stream.fileno() and not tee.isatty() and tee.writable()
        assert tee.encoding == "utf-8" and tee.buffer is stream.buffer and tee.name == stream.name
        assert tee.write("half") == 4
        tee.writelines([" a line\r\n", "rest"])
        tee.finish()
        tee.finish()
        tee.flush()
    log.close()
    assert (tmp_path / "out").read_text() == "half a line\nrest"
    assert [line.partition(": ")[2] for line in log.path.read_text().splitlines()] == ["half a line", "rest"]
    assert tee.write("closed") == 6
