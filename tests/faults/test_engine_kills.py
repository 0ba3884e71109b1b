"""Runs that are killed at random moments and at every write, then carried on: as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from octo.engine.init import init_instance
from octo.store import GLOBAL, JOURNAL_FILE, PARAMETER_FILE, ParameterStore
from tests.engine.kit import CHECKOUT, PRELUDE, Box

pytestmark = pytest.mark.faults

# A graph with a loop, a branch, retries with failures that come from the data, a failure arrow, a node with
# all four methods, records, nested lists and dicts, and a plain class that counts and writes its own state.
LIBRARY = (
    PRELUDE
    + '''
from octo_step_engine_parameters import octo_step_engine_parameters

ROUNDS = 12

def digit(ctx, salt):
    """A number from 0 to 9 that only the data decides."""
    return (ctx["round"] * 7919 + salt * 104729 + sum(ctx["rows"])) // 7 % 10

class step_node_load(StepNode):
    step_node_graph_dict = {"step_node_load": {"first_node_step_bool": 1}}
    step_node_params_dict_init = {"step_node_load": {"seed": 3}}
    step_arrow_graph_dict = {"work": {"arrow_step_name_string": "step_node_work"}}
    def step_execute(self):
        self.ctx.setdefault("rows", [])
        self.ctx.setdefault("tree", {"left": {}, "right": []})
        self.ctx.increment("round")
        self.ctx["rows"].append(self.ctx["round"] * self.params["seed"])

class step_node_work(StepNode):
    step_node_graph_dict = {"step_node_work": {"retry": 3}}
    step_arrow_graph_dict = {"plain": {"arrow_step_name_string": "step_node_plain"},
                             "judge": {"arrow_step_name_string": "step_node_judge"}}
    def step_entry(self):
        self.ctx["tree"]["left"][f"in {self.ctx['round']}"] = len(self.ctx["rows"])
        self.ctx["tries"] = 0
    def step_execute(self):
        for number in range(5):
            self.ctx["tree"]["right"].append([self.ctx["round"], number])
        self.ctx["rows"].insert(0, -1)
        self.ctx["rows"].pop(0)
        if digit(self.ctx, 1) < 4 and not self.results.get("mended") == self.ctx["round"]:
            self.results["mended"] = self.ctx["round"]
            raise ValueError("the data says so")
        del self.ctx["tree"]["right"][-2:]
    def step_exit(self):
        self.ctx["tries"] = self.ctx["tries"] + 1
        self.ctx.record("log", self.ctx["round"], id=str(self.ctx["round"]))
        self.results["last"] = self.ctx["round"]
    def step_advance(self):
        self.ctx.increment("asked")
        return "plain" if digit(self.ctx, 2) < 6 else "judge"

class step_node_plain:
    step_arrow_graph_dict = {
        "step_arrow_graph_list_key_failure_path": {"arrow_step_name_string": "step_node_judge"}}
    def __init__(self, name):
        self.p = octo_step_engine_parameters()
        self.files = (self.p.get_default_param_dict(), self.p.get_default_param_file_name(),
                      self.p.get_default_param_lock_file_name())
    def write(self, group, key, value):
        self.p.update_json_dict(*self.files, group, key, value)
    def step_entry(self):
        self.write("global_parameters", "current_step_state", "ENTER")
    def step_execute(self):
        ctx = self.p.read_json_dict(*self.files)["ctx"]
        self.write("ctx", "plain", [ctx["round"], ctx["rows"][-1]])
        self.p.increment_json_dict(*self.files, "ctx", "plain_count", True)
        self.p.increment_json_dict(*self.files, "global_parameters", "run_step_count", True)
        self.write("global_parameters", "current_step_state", "EXIT")
        if digit(ctx, 3) < 3:
            return 1
    def step_exit(self):
        self.p.increment_json_dict(*self.files, "global_parameters", "run_step_count", True)
    def step_advance(self):
        return "step_arrow_graph_list_key_step_node_judge"

class step_node_judge(StepNode):
    step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_load"}}
    def step_execute(self):
        self.ctx.append("judged", [self.ctx["round"], sum(self.ctx["rows"])])
    def step_advance(self):
        return "again" if self.ctx["round"] < ROUNDS else "COMPLETE"
'''
)

# The engine's messages of a child that is killed on purpose are of no interest.
CHILD = """
import sys, logging
logging.disable(logging.WARNING)
from octo.engine.engine import Engine
print("go", flush=True)
raise SystemExit(Engine(sys.argv[1], draw=False).run().exit_code)
"""
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'modules'}",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def make(directory: Path, **settings: Any) -> Path:
    library = directory / "library"
    if not library.exists():
        library.mkdir(parents=True)
        (library / "step_node_all.py").write_text(LIBRARY)
    with init_instance(directory / "it", library) as store:
        for key, value in settings.items():
            store.set(GLOBAL, key, value)
    return directory / "it"


def child(instance: Path, code: str = CHILD, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(instance), *more],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def outcome(instance: Path) -> dict[str, Any]:
    """What must be the same however often the run was cut off."""
    with ParameterStore(instance) as store:
        state = store.read()
        engine, shown = state["engine"], state[GLOBAL]
        assert json.loads((instance / PARAMETER_FILE).read_text())["ctx"] == state["ctx"]
    position = {
        key: engine[key] for key in ("visit", "node", "state", "begun", "arrow", "next", "visits", "taken")
    }
    shown = {
        key: shown[key]
        for key in (
            "run_step_count",
            "run_loop_count",
            "current_step_node",
            "current_step_state",
            "step_engine_state",
            "ended_by",
        )
    }
    return {"ctx": state["ctx"], "engine": position, "shown": shown, "work": state["step_node_work"]}


def acknowledged(instance: Path) -> dict[str, Any]:
    """Readable at any time, and never behind what was seen before."""
    with ParameterStore(instance) as store:
        state = store.read()
    return {"visit": state.get("engine", {}).get("visit", 0), "log": state.get("ctx", {}).get("log", {})}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    instance = make(tmp_path_factory.mktemp("undisturbed"))
    process = child(instance)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    expected = outcome(instance)
    taken = expected["engine"]["taken"]
    assert len(taken["step_node_work"]) == 2 and len(taken["step_node_plain"]) == 2, (
        f"every way is taken: {taken}"
    )
    assert expected["shown"]["run_loop_count"] == 11
    visits = expected["engine"]["visits"]
    failed = sum(taken["step_node_plain"]["step_arrow_graph_list_key_failure_path"].values())
    assert expected["shown"]["run_step_count"] == 1 + sum(visits.values()) - failed
    return expected


@pytest.mark.parametrize(("durability", "kills"), [("group", 120), ("step", 50), ("os", 30)])
def test_killed_at_random_moments(
    tmp_path: Path, undisturbed: dict[str, Any], durability: str, kills: int
) -> None:
    """200 kills in all; each run is carried on until it is done, then the next begins."""
    chance, done, ended = random.Random(f"octo {durability}"), 0, 0
    while done < kills:
        instance = make(
            tmp_path / str(ended), durability=durability, history_limit=chance.choice([5, 60, 10_000])
        )
        seen = {"visit": 0, "log": {}}
        while True:
            process = child(instance)
            assert process.stdout is not None
            process.stdout.readline()
            # most kills early in the run: each of them lets it come only a little further
            time.sleep(chance.choice([0.0, 0.0, 0.001, 0.01]) + chance.random() * 0.02)
            process.kill()
            _, err = process.communicate(timeout=60)
            if process.returncode == 0:
                break
            assert process.returncode == -9, err.decode()
            done += 1
            now = acknowledged(instance)
            assert now["visit"] >= seen["visit"] and now["log"].items() >= seen["log"].items()
            seen = now
            if done >= kills:
                process = child(instance)
                _, err = process.communicate(timeout=60)
                assert process.returncode == 0, err.decode()
                break
        assert outcome(instance) == undisturbed
        ended += 1


# Kills itself at the n-th time that the store is about to write, and half way through it.
KILL_AT = """
import os, signal, sys, logging
logging.disable(logging.WARNING)
from octo.engine.engine import Engine
left = int(sys.argv[2])
half = sys.argv[3] == "half"

def counted(real, is_write=False):
    def call(*args, **more):
        global left
        if is_write and args[0] <= 2:
            return real(*args, **more)
        left -= 1
        if left == 0:
            if half and is_write:
                real(args[0], bytes(args[1])[: len(args[1]) // 2])
            elif half:
                real(*args, **more)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **more)
    return call

for name in ("write", "writev", "pwrite", "replace", "rename", "fdatasync", "fsync", "ftruncate", "unlink"):
    if hasattr(os, name):
        setattr(os, name, counted(getattr(os, name), name in ("write", "writev")))
raise SystemExit(Engine(sys.argv[1], draw=False).run().exit_code)
"""


@pytest.mark.parametrize("half", ["before", "half"])
def test_killed_at_every_write(tmp_path: Path, undisturbed: dict[str, Any], half: str) -> None:
    """One run: killed at its first write, carried on and killed at its second, and so on."""
    instance, number, kills = make(tmp_path, durability="step", history_limit=5), 1, 0
    while True:
        process = child(instance, KILL_AT, str(number), half)
        _, err = process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -9, err.decode()
        acknowledged(instance)
        kills += 1
        number = number + 1 if number < 40 else 40
    assert kills >= 40
    assert outcome(instance) == undisturbed


@pytest.mark.parametrize("half", ["before", "half"])
def test_killed_at_each_write_of_a_run_of_its_own(tmp_path: Path, half: str) -> None:
    """A short run, for each of its writes anew: killed there, then carried on in one go."""
    source = """
    class step_node_one(StepNode):
        step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
        def step_entry(self):
            self.ctx.append("rows", len(self.ctx.get("rows", [])))
        def step_execute(self):
            self.ctx.increment("n")
        def step_advance(self):
            return "again" if self.ctx["n"] < 3 else "COMPLETE"
    """
    number, clean = 1, {"rows": [0, 1, 2], "n": 3}
    while True:
        box = Box(tmp_path / str(number), source)
        box.store.set(GLOBAL, "durability", "step")
        process = child(box.directory, KILL_AT, str(number), half)
        _, err = process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -9, err.decode()
        assert box.run().status in ("COMPLETE_SUCCESS",), number
        assert box.ctx == clean and box.count == 3 and box.position["visit"] == 3, number
        number += 1
    assert number > 20
    assert box.ctx == clean and box.count == 3


def test_a_torn_tail_and_a_kill_together(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """The journal of a killed run, cut back to half a line, as a power failure may leave it."""
    instance = make(tmp_path)
    for number in range(8):
        process = child(instance, KILL_AT, str(60 + 7 * number), "before")
        process.communicate(timeout=60)
        with open(instance / JOURNAL_FILE, "ab") as file:
            file.write(b'{"seq":99999,"time":1.0,"who":"octo","ops":[{"op":"se'[: 10 + 5 * number])
    process = child(instance)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    assert outcome(instance) == undisturbed


def test_two_engines_at_once(tmp_path: Path) -> None:
    """Started at one moment: one runs, the other ends with 2 and names it."""
    for number in range(4):
        box = Box(
            tmp_path / str(number),
            """
        class step_node_one(StepNode):
            def step_execute(self):
                say("ran")
                time.sleep(2.5)
        """,
        )
        command = [sys.executable, "-m", "octo", "run", "--quiet", str(box.directory)]
        both = [
            subprocess.Popen(
                command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for _ in range(2)
        ]
        texts = [process.communicate(timeout=60) for process in both]
        codes = [process.returncode for process in both]
        assert sorted(codes) == [0, 2], texts
        winner, loser = both[codes.index(0)], texts[codes.index(2)]
        assert f"process {winner.pid}" in loser[1]
        assert box.calls == ["ran"] and box.count == 1
