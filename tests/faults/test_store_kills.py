"""SIGKILL at any instruction: no acknowledged change is lost, no file is unreadable, nothing needs `recover`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octo.store import JOURNAL_FILE, LOCK_FILE, PARAMETER_FILE, ParameterStore
from octo.store.journal import Journal
from tests.faults import store_writer
from tests.store.states import apart, records

pytestmark = [pytest.mark.faults, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


def acknowledged(told: str) -> dict[str, int]:
    """The newest value that the child was told of, for each name."""
    newest: dict[str, int] = {}
    for line in told.splitlines():
        name, _, value = line.partition(" ")
        newest[name] = int(value)
    return newest


def in_a_child(workload: str, directory: Path, fault: tuple[str, int]) -> tuple[bool, str]:
    """Run a workload in a forked child (which begins in a millisecond). Whether it lived, and what it told."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:  # nothing of pytest may run here
        try:
            os.dup2(writing, 1)
            store_writer.plant_fault(*fault)
            store_writer.WORKLOADS[workload](directory)
            os._exit(0)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(3)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    status = os.waitpid(pid, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFEXITED(status), told


def check(directory: Path, told: str) -> None:
    """All that was acknowledged is there; at most the one change that was under way is there as well."""
    if not told and not (directory / PARAMETER_FILE).exists() and not (directory / JOURNAL_FILE).exists():
        return
    apart(directory)
    with ParameterStore(directory) as store:
        known = acknowledged(told)
        state = store.read()
        ctx = state.get("ctx", {})
        for name, key in (("n", "n"), ("person", "person"), ("pair", "a")):
            assert ctx.get(key, 0) - known.get(name, 0) in (0, 1), name
        assert ctx.get("a", 0) == -ctx.get("b", 0), "both changes of a transaction or none"
        if "text" in known:
            assert int(ctx["text"].split()[1]) - known["text"] in (0, 1)
        assert len(ctx.get("rows", [])) - known.get("rows", 0) in (0, 1)
        before = ctx.get("n", 0)
        assert store.increment("ctx", "n") == before + 1
        assert store.at(store.seq) == store.read()
        store.history()
    shown = json.loads((directory / PARAMETER_FILE).read_text())
    assert shown["ctx"]["n"] == before + 1
    assert shown["global_parameters"].pop("checkpoint")
    records(directory)
    apart(directory)
    with ParameterStore(directory) as store:
        assert store.get("ctx", "n") == before + 1
        assert store.read() == shown


@pytest.mark.parametrize("kind", ["before", "half", "after"])
@pytest.mark.parametrize("workload", ["small", "compacting", "deferring", "large", "merging"])
def test_killed_at_every_write(workload: str, kind: str, tmp_path: Path) -> None:
    number, lived = 0, False
    while not lived:
        number += 1
        directory = tmp_path / str(number)
        lived, told = in_a_child(workload, directory, (kind, number))
        check(directory, told)
    assert number > 50, "there are faults to be planted"


def test_killed_at_random_moments(tmp_path: Path) -> None:
    rng = random.Random(7)
    told = {"n": 0, "pair": 0}
    directory = tmp_path / "instance"
    ParameterStore(directory, create=True).set("ctx", "n", 0)
    for _ in range(60):
        child = subprocess.Popen(
            [sys.executable, store_writer.__file__, "endless", str(directory)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        child.send_signal(signal.SIGKILL)
        told.update(acknowledged(first + child.stdout.read().rpartition("\n")[0]))
        child.wait()
        apart(directory)
        with ParameterStore(directory) as store:
            ctx = store.get("ctx")
            assert ctx["n"] - told["n"] in (0, 1)
            assert ctx.get("a", 0) - told.get("pair", 0) in (0, 1)
            assert ctx.get("a", 0) == -ctx.get("b", 0)
            told = {"n": ctx["n"], "pair": ctx.get("a", 0)}
        records(directory)
    assert not list(directory.glob("*.bad-*"))


def test_a_killed_holder_of_the_lock_blocks_nobody(tmp_path: Path) -> None:
    directory = tmp_path / "instance"
    store = ParameterStore(directory, create=True)
    code = ("import sys, time; from octo.store import ParameterStore\n"
            "s = ParameterStore(sys.argv[1])\n"
            "with s.transaction() as tx:\n"
            "    tx.set(('ctx', 'a'), 1); print('in', flush=True); time.sleep(60)\n")
    child = subprocess.Popen([sys.executable, "-c", code, str(directory)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.wait()
    began = time.monotonic()
    store.set("ctx", "b", 1)
    assert time.monotonic() - began < 1
    assert store.get("ctx") == {"b": 1}
    assert (directory / LOCK_FILE).exists()


def test_what_a_kill_leaves_behind_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / "instance"
    lived, _ = in_a_child("small", directory, ("after", 60))
    assert not lived
    left = [name for name in os.listdir(directory) if name.endswith(".tmp")]
    for number in range(61, 90):
        if left:
            break
        in_a_child("small", directory, ("before", number))
        left = [name for name in os.listdir(directory) if name.endswith(".tmp")]
    assert left, "a temporary file was left behind"
    apart(directory)
    ParameterStore(directory).compact()
    assert not [name for name in os.listdir(directory) if name.endswith(".tmp")]


def test_the_journal_of_each_kill_can_be_followed(tmp_path: Path) -> None:
    directory = tmp_path / "instance"
    in_a_child("compacting", directory, ("half", 130))
    journal = Journal(directory / JOURNAL_FILE)
    assert journal.open()
    journal.close()
