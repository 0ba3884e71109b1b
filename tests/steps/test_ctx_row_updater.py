"""ctx_row_updater: rows of live data in the background."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from octo.executors.jobs import default_pool
from octo.param import ParamError
from step_library.control import ctx_row_updater
from tests.executors.kit import until
from tests.recipe.runs import Project

LONG = 30.0


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Iterator[Any]:
    yield {} if request.param == "dict" else Context(who="load")
    default_pool().cancel_all()


def rows(ctx: Any, **params: Any) -> Any:
    """The rows of `max_rows` ticks."""
    given = {"key": "foo", "interval_sec": 0.001, "max_rows": 3, **params}
    assert ctx_row_updater.run(ctx, given) == {"started": given["key"]}
    assert default_pool().wait(LONG)
    return ctx.plain("foo") if isinstance(ctx, Context) else ctx["foo"]


def test_two_rows_and_more_for_as_long_as_it_lives(ctx: Any) -> None:
    """The documented unit test, with `foo: []`, n 2: two rows or more."""
    ctx["foo"] = []
    assert ctx_row_updater.run(ctx, {"key": "foo", "n": 2, "interval_sec": 0.01}) == {"started": "foo"}
    until(lambda: len(ctx["foo"]) >= 3)
    for row in list(ctx["foo"]):
        assert len(row) == 3 and all(0 <= number < 1 for number in row[1:])
        assert datetime.fromisoformat(row[0]).isoformat(timespec="milliseconds") == row[0]
    with pytest.raises(UsageError, match="row_updater:foo is running already"):
        ctx_row_updater.run(ctx, {"key": "foo"})
    assert ctx_row_updater.stop(ctx, "foo") and not ctx_row_updater.stop(ctx, "foo")
    assert ctx["jobs"]["row_updater:foo"]["status"] == "cancelled"


def test_the_first_row_comes_at_once_and_the_key_is_made(ctx: Any) -> None:
    assert len(rows(ctx, interval_sec=60, max_rows=1)) == 1
    assert ctx["jobs"]["row_updater:foo"]["result"] == 1


def test_patterns(ctx: Any) -> None:
    assert all(5 <= row[1] < 6 for row in rows(ctx, low=5, high=6, n=1))
    assert len(rows(ctx, pattern="gaussian", n=2)[-1]) == 3
    wave = rows(ctx, pattern="sine", low=-1, high=1, n=2)[-3:]
    assert wave[0][1:] == pytest.approx([0, 0], abs=1e-9) and wave[1][1] == pytest.approx(0.104528, abs=1e-6)
    assert rows(ctx, fn=lambda a: [a, None], args={"a": 7}, extra=["tag"])[-1][1:] == [7, None, "tag"]
    assert rows(ctx, n=0, last_n=2)[0][1:] == [] and len(ctx["foo"]) == 2


def test_a_flag_in_ctx_ends_it(ctx: Any) -> None:
    ctx_row_updater.run(ctx, {"key": "foo", "interval_sec": 0.01, "stop_key": "enough"})
    until(lambda: len(ctx["foo"]) >= 1)
    ctx["enough"] = True
    until(lambda: ctx["jobs"]["row_updater:foo"]["status"] == "done")
    assert "ctx['enough'] is set" in ctx["log"][0]["msg"]


def test_events_and_rows_on_the_screen(ctx: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(ctx, emit=True, echo=True)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == found
    assert [event["payload"]["row"] for event in ctx["events"]] == found and ctx["events"][0]["event"] == "new_row"


def test_what_goes_wrong_later_is_told(ctx: Any) -> None:
    rows(ctx, fn=lambda: 1 / 0)
    assert ctx["errors"][0]["step"] == "row_updater:foo" and ctx["errors"][0]["error"] == "division by zero"
    rows(ctx, fn=lambda: {1})
    assert "fn is to give a list" in ctx["jobs"]["row_updater:foo"]["error"] and ctx["foo"] == []

    def replace(ctx: Any) -> list[Any]:
        ctx["foo"] = "text"
        return []

    rows(ctx, fn=replace)
    assert "is to be a list of rows, not str 'text'" in ctx["errors"][2]["error"]


@pytest.mark.parametrize(("there", "params", "error", "said"), [
    ({}, {}, KeyError, "'key' is missing"),
    ({"foo": 1}, {"key": "foo"}, TypeError, "is to be a list of rows, not int 1"),
    ({"foo": None}, {"key": "foo"}, ValueError, "not null"),
    ({}, {"key": "foo", "n": "x"}, ParamError, "int"),
    ({}, {"key": "foo", "n": -1}, UsageError, "n is 0 or more"),
    ({}, {"key": "foo", "interval_sec": 0}, UsageError, "more than 0"),
    ({}, {"key": "foo", "high": -1}, UsageError, "high is not below low"),
    ({}, {"key": "foo", "max_rows": 0}, UsageError, "max_rows is 1 or more"),
    ({}, {"key": "foo", "pattern": "sin"}, ParamError, "did you mean sine"),
    ({}, {"key": "foo", "fn": "nothing.there:f"}, OctoError, "nothing"),
    ({"events": 1}, {"key": "foo", "emit": True}, ShapeError, "events"),
    ({}, {"key": "foo", "instance": "no_such_dir"}, OctoError, "no_such_dir"),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception], said: str) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(error, match=said) as caught:
            ctx_row_updater.run(ctx, params)
        assert isinstance(caught.value, OctoError) and ctx == there


def test_in_the_background_of_a_run_with_a_resume(tmp_path: Path) -> None:
    """The documented recipe: ctx_init makes the key, the step has `background: true`; it comes back with a resume."""
    project = Project(tmp_path / "p")
    project.bodies("""
        import time
        from pathlib import Path
        def gate(ctx):
            first, give_up = len(ctx["new_row"]), time.monotonic() + 30
            while len(ctx["new_row"]) < first + 3:
                assert time.monotonic() < give_up, "no rows"
                time.sleep(0.01)
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - name: start_shared_ctx
            module: scriptlets.python.steps.ctx_init
            function: run
            params: {keys: [new_row]}
          - name: update_ctx_background
            module: scriptlets.python.steps.ctx_row_updater
            function: run
            params: {key: new_row, n: 3, interval_sec: 0.01}
            background: true
          - {name: gate, module: BODY, function: gate}
          - {name: other, function: ctx_row_updater, params: {key: few, interval_sec: 0.01, max_rows: 5}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    rows = len(project.ctx["new_row"])
    assert rows >= 3 and project.ctx["jobs"]["row_updater:new_row"]["status"] == "cancelled"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"  # the gate waits for three more
    assert len(project.ctx["new_row"]) >= rows + 3 and len(project.ctx["few"]) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="no signal for Ctrl-C to one process")
def test_as_a_program_until_ctrl_c(tmp_path: Path, checkout: Path) -> None:
    """The documented command line: it goes on for ever."""
    command = [sys.executable, "-m", "step_library.control.ctx_row_updater", "--key", "my_live_data", "--n", "5",
               "--interval_sec", "0.01", "--echo", "true", "--ctx-out", "out.json"]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as program:
        assert program.stdout is not None and program.stderr is not None
        assert "my_live_data" in program.stderr.readline() and "until Ctrl-C" in program.stderr.readline()
        seen = [json.loads(program.stdout.readline()) for _ in range(3)]
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=LONG)
    assert program.returncode == 0
    found = json.loads((tmp_path / "out.json").read_text())["my_live_data"]
    assert found[:3] == seen and all(len(row) == 6 for row in found)


def test_a_program_of_its_own_feeds_an_instance(tmp_path: Path, checkout: Path) -> None:
    """The documented three terminals: one makes the key, one appends rows, one (here: the test) looks at them."""
    project = Project(tmp_path / "p")
    project.recipe("steps: [{name: init, function: ctx_init, params: {keys: [chart_values]}}]")
    assert project.run().status == "COMPLETE_SUCCESS"
    command = [sys.executable, "-m", "step_library.control.ctx_row_updater", "--key", "chart_values", "--n", "4",
               "--interval_sec", "0.01", "--max-rows", "3", "--instance", str(project.instance)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(checkout)}, check=True, timeout=LONG,
                   capture_output=True)
    ctx = Context.open(project.instance)
    assert [len(row) for row in ctx["chart_values"]] == [5, 5, 5]
    assert ctx.get_history("chart_values")[-1]["who"] == "row_updater:chart_values"
