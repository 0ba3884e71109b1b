"""An engine runs and compacts while processes count, a program writes, a person edits: all exact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octo.store import GLOBAL, LOCK_FILE, PARAMETER_FILE
from tests.engine.kit import CHECKOUT, Box

pytestmark = pytest.mark.faults

LOOP = """
class step_node_one(StepNode):
    step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
    def step_execute(self):
        self.ctx.increment("engine")
        self.ctx["last"] = [self.ctx["engine"]] * 5
        self.results["mine"] = self.ctx["engine"]
    def step_advance(self):
        return "COMPLETE" if os.path.exists("enough") else "again"
"""
COUNT = """
import sys
sys.path[:0] = {paths!r}
from octo.store import ParameterStore
from octo_step_engine_parameters import octo_step_engine_parameters
store = ParameterStore({instance!r})
documented = octo_step_engine_parameters()
files = documented.get_default_param_dict(), {view!r}, {lock!r}
for number in range({times}):
    store.increment("counters", "shared")
    documented.increment_json_dict(*files, "counters", {name!r}, True)
"""
# Knows only what the documents promise: the lock file and the JSON.
FOREIGN = """
import json, time
from filelock import FileLock
for number in range({times}):
    with FileLock({lock!r}):
        with open({view!r}) as file:
            state = json.load(file)
        group = state.setdefault("counters", {{}})
        group["shared"] = group.get("shared", 0) + 1
        group["foreign"] = group.get("foreign", 0) + 1
        with open({view!r}, "w") as file:
            json.dump(state, file, indent=4)
    time.sleep(0.02)
"""
TIMES = 150


def test_every_counter_is_exact(tmp_path: Path) -> None:
    box = Box(tmp_path, LOOP)
    box.store.set(GLOBAL, "history_limit", 2000)
    names = {
        "instance": str(box.directory),
        "view": str(box.directory / PARAMETER_FILE),
        "lock": str(box.directory / LOCK_FILE),
        "paths": [str(CHECKOUT), str(CHECKOUT / "modules")],
    }

    def start(code: str, **more: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code.format(**names, **more)],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    engine = box.start()
    while not box.ctx.get("engine"):
        time.sleep(0.01)
    others = [start(COUNT, times=TIMES, name=f"process {number}") for number in range(8)]
    others.append(start(FOREIGN, times=20))
    edits = person(box, others)
    for process in others:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    (box.directory / "enough").touch()
    out, err = engine.communicate(timeout=60)
    assert engine.returncode == 0, err
    state = box.state
    steps = int(out.split()[2])
    assert state["counters"] == {"shared": 8 * TIMES + 20, "foreign": 20} | {
        f"process {n}": TIMES for n in range(8)
    }
    assert state["person"] == {"edits": edits, "note": f"edit {edits}"} and edits >= 3
    assert state["ctx"]["engine"] == steps == box.count == state["step_node_one"]["mine"]
    assert state["ctx"]["last"] == [steps] * 5
    assert box.json["counters"] == state["counters"]
    first = json.loads((box.directory / ".octo_step_engine_parameters.journal").open().readline())
    assert first["seq"] > 1000, "the journal was compacted meanwhile"
    assert not list(box.directory.glob("*.bad-*")) and not list(box.directory.glob("*.old-*"))


def person(box: Box, others: list[subprocess.Popen[str]]) -> int:
    """Save edits, as an editor does, while the others work; each is merged before the next."""
    path, edits = box.directory / PARAMETER_FILE, 0
    while any(process.poll() is None for process in others):
        before = path.stat()
        try:
            state = json.loads(path.read_text())
        except ValueError:  # the foreign program is in the middle of writing it
            continue
        edits += 1
        state["person"] = {"edits": state.get("person", {}).get("edits", 0) + 1, "note": f"edit {edits}"}
        temporary = path.with_name("edited.tmp")
        temporary.write_text(json.dumps(state, indent=4))
        now = path.stat()  # two who know nothing of each other cannot both save: an editor looks first, too
        if (now.st_ino, now.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
            edits -= 1
            continue
        os.replace(temporary, path)
        end = time.monotonic() + 10
        while box.store.get("person", "edits", default=0) != edits:
            assert time.monotonic() < end, "an edit was lost"
            time.sleep(0.02)
        time.sleep(0.1)
    return edits
