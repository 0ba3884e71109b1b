"""Recipes whose engine is killed at random moments and that are run on until they are done, as if nothing had been."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from octo.store import ParameterStore
from tests.engine.kit import CHECKOUT

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KILLS = 100
AT_ONCE = 3

BODIES = '''
import os, time

def effect(name):
    """What is seen outside: a line in one write."""
    with open("effects.txt", "ab", buffering=0) as file:
        file.write(f"{name}\\n".encode())

def work(ctx, name):
    ctx.append("began", name)
    ctx.setdefault("tree", {}).setdefault(name, []).append(1)
    time.sleep(0.004)
    effect(name)
    ctx.increment("n")
    ctx["tree"][name].append(2)
    ctx.append("ended", name)
    time.sleep(0.004)
    return name

def moody(ctx, name):
    work(ctx, name)
    with open("moods.txt", "ab", buffering=0) as file:
        file.write(b"x")
    if os.path.getsize("moods.txt") % 2:
        raise ValueError("in a mood")
    return name

def watch(ctx):
    while not ctx.stop.wait(0.01):
        ctx.increment("beats")
'''
RECIPE = """
ctx: {list: [0, 1, 2, 3]}
steps:
  - {name: watch, function: "kill_bodies:watch", background: true}
  - {name: a, function: "kill_bodies:work", params: {name: a}}
  - {name: b, function: "kill_bodies:work", params: {name: b}, parallel: true, depends_on: a}
  - {name: c, function: "kill_bodies:work", params: {name: c}, parallel: true, depends_on: a}
  - {name: d, function: "kill_bodies:moody", params: {name: d}, parallel: true, depends_on: a, retry: 50}
  - {name: f, function: "kill_bodies:work", params: {name: "f{{ item }}"}, for_each: ctx.list, collect: got,
     parallel: true}
  - {name: g, function: "kill_bodies:work", params: {name: g}, executor: process, parallel: true}
  - {name: h, function: "kill_bodies:moody", params: {name: h}, executor: process, parallel: true, retry: 50}
  - {name: i, function: "kill_bodies:work", params: {name: "i{{ index }}"}, executor: process, for_each: "[7, 8]"}
  - {name: skipped, function: "kill_bodies:work", params: {name: skipped}, when: "'a' not in ctx.tree"}
  - {name: j, cmd: sh, args: [-c, "echo j >> effects.txt; echo out"], stdout_to_ctx: out}
  - {name: l, function: "kill_bodies:moody", params: {name: l}, retry: 50, depends_on: [f, g, h, i, j]}
"""
RUN = """
import sys
from octo.recipe.run import run_recipe
print("ready", flush=True)
result = run_recipe("r.yaml", draw=False)
print(result.status, result.error and result.error["message"], flush=True)
"""
UNITS = [*"abcd", *(f"f{n}" for n in range(4)), "g", "h", "i0", "i1", "l"]


def _begin(folder: Path) -> subprocess.Popen[str]:
    running = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"})
    assert running.stdout is not None and running.stdout.readline() == "ready\n"
    return running


def _check(folder: Path) -> None:
    """Every foreground step's effect is in ctx once, outside at least once."""
    state = ParameterStore(folder / "r.octo").read()
    ctx = state["ctx"]
    assert Counter(ctx["ended"]) == Counter(UNITS) == Counter(ctx["began"])
    assert ctx["tree"] == {name: [1, 2] for name in UNITS} and ctx["n"] == len(UNITS)
    assert ctx["got"] == ["f0", "f1", "f2", "f3"] and ctx["out"] == "out\n"
    outside = Counter((folder / "effects.txt").read_text().split())
    assert set(outside) == {*UNITS, "j"}
    status = {name: entry["status"] for name, entry in state["steps"].items()}
    assert status.pop("skipped") == "SKIPPED" and status.pop("watch") in ("STOPPED", "DONE")
    assert set(status.values()) == {"DONE"}
    assert state["global_parameters"]["step_engine_state"] == "COMPLETE_SUCCESS"


def _kill_and_go_on(root: Path, seed: int, left: list[int], lock: threading.Lock) -> int:
    """Recipe after recipe, until the kills are used up; how many came to their end."""
    moments, done = random.Random(seed), 0
    while True:
        folder = root / f"{seed}-{done}"
        folder.mkdir()
        (folder / "kill_bodies.py").write_text(BODIES)
        (folder / "r.yaml").write_text(RECIPE)
        while True:
            running = _begin(folder)
            with lock:
                is_last = left[0] <= 0
            try:
                running.wait(120 if is_last else moments.uniform(0.0, 0.8) * moments.uniform(0.1, 1.0))
            except subprocess.TimeoutExpired:
                running.kill()
                running.communicate()
                assert not is_last, "the run does not end"
                with lock:
                    left[0] -= 1
                continue
            said, _ = running.communicate()
            assert said.splitlines()[-1] == "COMPLETE_SUCCESS None", (said, seed, done)
            break
        _check(folder)
        done += 1
        if is_last:
            return done


def test_a_recipe_that_is_killed_is_done_once_in_ctx_and_at_least_once_outside(tmp_path: Path) -> None:
    left, lock = [KILLS], threading.Lock()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(lambda seed: _kill_and_go_on(tmp_path, seed, left, lock), range(AT_ONCE)))
    assert left[0] <= 0 and sum(ends) >= AT_ONCE
