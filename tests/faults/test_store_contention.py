"""Many processes, programs that know only lock and JSON, and people, all on one file at once: every count exact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octo.store import LOCK_FILE, PARAMETER_FILE, LockedJson, ParameterStore
from tests.store.states import apart, other, records

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform == "win32", reason="programs rename over open files")]

OURS = """
import sys
from octo.store import ParameterStore
store = ParameterStore(sys.argv[1], who="worker")
for n in range(int(sys.argv[2])):
    store.increment("ctx", "ours")
    if n % 10 == 0:
        with store.transaction() as tx:
            tx.increment(("ctx", "left"))
            tx.increment(("ctx", "right"), -1)
"""

ENGINE = """
import sys
from octo.store import ParameterStore
store = ParameterStore(sys.argv[1], who="engine")
file = store._state_file
file.deferring = True
for n in range(int(sys.argv[2])):
    with file.transaction("engine", later=True) as tx:
        tx.increment(("ctx", "engine"))
        tx.increment(("ctx", "both"))
    if n % 100 == 99:
        store.compact()
store.flush()
file.deferring = False
"""

# Takes the lock, reads, counts, writes. A person's save, made without the lock, can overwrite its own before
# Octo has seen it, as with any two programs: it goes on until its count is there to stay.
FOREIGN = """
import json, os, sys, time
from filelock import FileLock
lock, view, wanted = FileLock(sys.argv[2]), sys.argv[1], int(sys.argv[3])
found = 0
while found < 3:
    with lock:
        try:
            with open(view) as file:
                state = json.load(file)
        except ValueError:
            continue
        if state["ctx"]["foreign"] < wanted:
            found = 0
            state["ctx"]["foreign"] += 1
            state["ctx"]["both"] += 1
            with open(view, "w") as file:
                json.dump(state, file, indent=4)
            continue
    found += 1
    time.sleep(0.1)
"""

# Saves by a new file, or (in-place) by turns by a new file and in place: never in place beside FOREIGN, as two
# programs that write into one file at once without a lock leave a mixture of both, which nobody could read.
# What the foreign program overwrites unseen is saved again, by hand.
PERSON = """
import json, os, sys, time
view = sys.argv[1]
def load():
    while True:
        try:
            with open(view) as file:
                return json.load(file)
        except (ValueError, FileNotFoundError):
            time.sleep(0.001)
def save(n):
    state = load()
    state["ctx"]["person"] = state["ctx"].get("person", 0) + 1
    state.setdefault("notes", {})[f"note {n}"] = n
    if n % 2 and sys.argv[3] == "in-place":
        with open(view, "w") as file:
            json.dump(state, file, indent=4)
    else:
        with open(view + "~", "w") as file:
            json.dump(state, file, indent=4)
        os.replace(view + "~", view)
again = 0
for n in range(int(sys.argv[2])):
    save(n)
    time.sleep(0.02)
    patience = time.monotonic() + 10  # on a busy machine it can take a while until it is merged
    while f"note {n}" not in load().get("notes", {}):
        time.sleep(0.05)
        if time.monotonic() > patience:
            again += 1
            save(n)
            patience += 10
print(again)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(children: list[subprocess.Popen[str]]) -> str:
    """Wait for all; what the last one printed."""
    said = ""
    for child in children:
        said, problems = child.communicate(timeout=120)
        assert child.returncode == 0, problems
    return said


def test_eight_processes_a_foreign_writer_an_engine_and_a_person(tmp_path: Path) -> None:
    directory = tmp_path / "i"
    store = ParameterStore(directory, create=True)
    store.set("global_parameters", "history_limit", 1500)
    store.set("ctx", {"ours": 0, "both": 0, "engine": 0, "foreign": 0, "person": 0, "left": 0, "right": 0})
    children = [start(OURS, directory, 150) for _ in range(8)]
    children.append(start(ENGINE, directory, 2000))
    children.append(start(FOREIGN, store.path, directory / LOCK_FILE, 40))
    children.append(start(PERSON, store.path, 30, "by-rename"))
    finish(children)
    for reader in (store, other(store)):
        state = reader.read()
        assert state["ctx"] == {"ours": 1200, "both": 2040, "engine": 2000, "foreign": 40, "person": 30,
                                "left": 120, "right": -120}
        assert state["notes"] == {f"note {n}": n for n in range(30)}
    records(directory)
    shown = json.loads(store.path.read_text())
    assert shown["global_parameters"].pop("checkpoint")
    assert shown == store.read()
    assert not list(directory.glob("*.bad-*"))


def test_no_save_of_a_person_is_lost(tmp_path: Path) -> None:
    """Octo's own processes write without a pause: a save by rename or in place at any moment is merged once."""
    directory = tmp_path / "i"
    store = ParameterStore(directory, create=True)
    store.set("ctx", "ours", 0)
    children = [start(OURS, directory, 400) for _ in range(4)] + [start(ENGINE, directory, 2000)]
    children.append(start(PERSON, store.path, 40, "in-place"))
    saved_again = finish(children)
    state = other(store).read()
    assert (state["ctx"]["person"], state["ctx"]["ours"], state["ctx"]["engine"]) == (40, 1600, 2000)
    assert state["notes"] == {f"note {n}": n for n in range(40)}
    assert int(saved_again) == 0


def test_four_processes_and_a_foreign_writer_on_any_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    LockedJson(path, default={"ctx": {"foreign": 0, "both": 0, "ours": 0}}).set("ctx", "started", True)
    code = OURS.replace("ParameterStore", "LockedJson")
    children = [start(code, path, 200) for _ in range(4)]
    children.append(start(FOREIGN, path, tmp_path / "a.lock", 60))
    finish(children)
    apart(path)
    with LockedJson(path) as data:
        ctx = data.get("ctx")
    assert (ctx["ours"], ctx["foreign"], ctx["both"], ctx["left"], ctx["right"]) == (800, 60, 60, 80, -80)


def test_followers_see_every_record_once_while_others_write_and_compact(tmp_path: Path) -> None:
    directory = tmp_path / "i"
    store = ParameterStore(directory, create=True)
    store.set("global_parameters", "history_limit", 2000)
    children = [start(OURS, directory, 300) for _ in range(2)] + [start(ENGINE, directory, 1000)]
    seen = []

    def ended() -> bool:
        return all(child.poll() is not None for child in children)

    for record in store.watch(since=0, poll=0.005, stop=ended):
        seen.append(record.seq)
    finish(children)
    assert seen == list(range(1, store.seq + 1))


def test_a_poller_of_50_ms_gets_its_turn(tmp_path: Path) -> None:
    """A process that increments without a pause leaves the lock to a FileLock that asks every 50 ms."""
    from filelock import FileLock

    directory = tmp_path / "i"
    store = ParameterStore(directory, create=True)
    children = [start(OURS, directory, 10**6)]
    try:
        while store.get("ctx", "ours", default=0) < 10:
            time.sleep(0.01)
        waits = []
        for _ in range(5):
            began = time.monotonic()
            with FileLock(directory / LOCK_FILE, timeout=20):
                waits.append(time.monotonic() - began)
            time.sleep(0.01)
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert sorted(waits)[2] < 5, waits
    assert os.path.exists(directory / PARAMETER_FILE)
