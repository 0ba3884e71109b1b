"""The three step nodes that the documents print run unchanged, `sys.path` lines and all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from octo.engine import Engine
from octo.engine.init import init_instance
from octo.store import GLOBAL, ParameterStore

LIBRARY = Path(__file__).parent / "data" / "seed_library"
NODES = ("step_node_custom", "step_node_dataprocessor", "step_node_statemachine")


def instance(tmp_path: Path, first: str) -> ParameterStore:
    """An instance of the printed library that begins at `first`."""
    directory = tmp_path / "it"
    store = init_instance(directory, None)
    store.set(GLOBAL, "step_engine_library_path", str(LIBRARY))
    store.set(GLOBAL, "first_step_node", first)
    return store


def test_custom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = instance(tmp_path, "step_node_custom")
    result = Engine(store.directory, draw=False).run()
    assert (result.status, result.steps) == ("COMPLETE_SUCCESS", 1), result.error
    assert store.get(GLOBAL, "run_step_count") == 2, "it counts itself, and is counted once"
    out = capsys.readouterr().out
    assert "Entering step, current state: ENTER" in out and "Executing step_node_custom" in out


def test_dataprocessor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = instance(tmp_path, "step_node_dataprocessor")
    result = Engine(store.directory, draw=False, verbose=True).run()
    assert (result.status, result.steps) == ("COMPLETE_SUCCESS", 1), result.error
    assert store.get("step_node_dataprocessor") == {
        "input_file": "/data/input.csv", "output_file": "/data/output.json", "processed_records": 100,
        "total_records": 100, "last_error": "",
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "Processed 90/100 records" in out and "Processing complete: 100/100 records" in out


def test_statemachine_with_a_step_limit(tmp_path: Path) -> None:
    """The printed machine never leaves ERROR, so a limit ends it where its luck does not."""
    ends = set()
    for number in range(12):
        store = instance(tmp_path / str(number), "step_node_statemachine")
        store.set(GLOBAL, "run_step_limit", 8)
        result = Engine(store.directory, draw=False).run()
        group = store.get("step_node_statemachine")
        ends.add(result.ended_by)
        if result.ended_by == "completed":
            assert group["state_machine_mode"] == "COMPLETE" and result.node == "step_node_next"
        else:
            assert (result.status, result.ended_by, result.exit_code) == ("PAUSED", "limit", 3)
            assert group["state_machine_mode"] == "ERROR" and group["retry_count"] == 3 and result.steps == 8
        assert store.get(GLOBAL, "run_step_count") == 1 + result.steps
        assert store.get("engine", "visits", "step_node_statemachine") >= 2
        assert group["max_retries"] == 3 and group["execution_count"] == 0
    assert "completed" in ends


def test_statemachine_step_by_step_in_runs_of_their_own(tmp_path: Path) -> None:
    """What it writes into current_step_state itself does not move the run."""
    store = instance(tmp_path, "step_node_statemachine")
    for number in range(1, 5):
        result = Engine(store.directory, draw=False).run(1)
        if result.status == "COMPLETE_SUCCESS":
            break
        assert (result.exit_code, result.node, result.state) == (0, result.node, "ENTER")
        assert (
            store.get(GLOBAL, "run_step_count") == number + 1 and store.get("engine", "visit") == number + 1
        )


@pytest.mark.parametrize("node", NODES)
def test_in_a_library_three_levels_below_a_checkout(tmp_path: Path, checkout: Path, node: str) -> None:
    """Their `sys.path` lines find `../../../modules`; the engine must be found by its installation only."""
    tree = tmp_path / "some checkout"
    library = tree / "step_library" / "group" / "library"
    shutil.copytree(LIBRARY, library)
    shutil.copytree(checkout / "modules", tree / "modules", ignore=shutil.ignore_patterns("__pycache__"))
    store = instance(tree / "instances", node)
    store.set(GLOBAL, "step_engine_library_path", "../../step_library/group/library")
    store.set(GLOBAL, "run_step_limit", 6)
    code = f"""
import sys
sys.path.insert(0, {str(checkout)!r})
from octo.engine import Engine
result = Engine({str(store.directory)!r}, draw=False).run()
assert result.error is None, result.error
assert any("octo_step_engine_parameters" in name for name in sys.modules)
print(result.steps, result.status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    steps, status = done.stdout.splitlines()[-1].split()
    assert status in ("COMPLETE_SUCCESS", "PAUSED")
    assert store.get(GLOBAL, "run_step_count") == 1 + int(steps)
