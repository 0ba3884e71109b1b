"""The run lock: one engine at a time, its owner named and believed only while it is held."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from octo.errors import InstanceBusy
from octo.store import RUN_LOCK_FILE, RUN_OWNER_FILE, ParameterStore, RunLock, RunOwner, run_lock
from octo.store.run_lock import is_held, owner_of

HOLDS = """
import sys
from pathlib import Path
from octo.store import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.acquire("r7")
print("held", flush=True); sys.stdin.read()
"""


@pytest.mark.slow
def test_never_re_entrant(tmp_path: Path) -> None:
    one, two = RunLock(tmp_path), RunLock(tmp_path)
    one.acquire("r1")
    for again in (one, two):
        with pytest.raises(InstanceBusy, match=f"is being run by process {os.getpid()} on .*, run r1"):
            again.acquire("r2")
    owner = owner_of(tmp_path)
    assert owner is not None
    assert owner.run_id == "r1", "who was refused has left no name"
    one.release()
    assert owner_of(tmp_path) is None
    two.acquire("r2")
    two.release()
    two.release()


@pytest.mark.slow
def test_of_another_process(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    owner = owner_of(tmp_path)
    assert owner is not None
    assert (owner.pid, owner.host, owner.run_id) == (child.pid, socket.gethostname(), "r7")
    assert 0 <= time.time() - owner.start < 30
    with pytest.raises(InstanceBusy, match=f"process {child.pid} on {socket.gethostname()}, since .*, run r7"):
        RunLock(tmp_path).acquire("r8")
    child.kill()
    child.communicate()
    assert (tmp_path / RUN_OWNER_FILE).exists()
    assert owner_of(tmp_path) is None, "what a killed engine left behind is not believed"
    mine = RunLock(tmp_path)
    mine.acquire("r8")
    mine.release()


def test_a_look_makes_no_file_and_takes_nothing(tmp_path: Path) -> None:
    assert not is_held(tmp_path / RUN_LOCK_FILE)
    assert owner_of(tmp_path) is None
    assert ParameterStore(tmp_path / "i", create=True).running() is None
    assert list(tmp_path.iterdir()) == [tmp_path / "i"]
    assert not (tmp_path / "i" / RUN_LOCK_FILE).exists()
    (tmp_path / RUN_LOCK_FILE).touch()
    assert owner_of(tmp_path) is None
    with FileLock(tmp_path / RUN_LOCK_FILE, timeout=0):
        assert is_held(tmp_path / RUN_LOCK_FILE)


@pytest.mark.slow
@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"pid": 1}', "3"])
def test_an_owner_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    with FileLock(tmp_path / RUN_LOCK_FILE):
        if text is not None:
            (tmp_path / RUN_OWNER_FILE).write_text(text)
        assert owner_of(tmp_path) == RunOwner()
        with pytest.raises(InstanceBusy, match="is being run by another process"):
            RunLock(tmp_path).acquire("r1")


def test_a_look_of_a_moment_is_waited_for(tmp_path: Path) -> None:
    """Else an engine could not start while `octo status` looks."""
    look = FileLock(tmp_path / RUN_LOCK_FILE, thread_local=False)
    look.acquire()
    threading.Timer(0.1, look.release).start()
    mine = RunLock(tmp_path)
    mine.acquire("r1")
    owner = owner_of(tmp_path)
    assert owner is not None and owner.run_id == "r1"
    mine.release()
    assert owner_of(tmp_path) is None


def test_one_that_has_not_said_yet_who_it_is_is_waited_for(tmp_path: Path) -> None:
    """As seen on a loaded machine: the other engine was told of "another process"."""
    lock = FileLock(tmp_path / RUN_LOCK_FILE, thread_local=False)
    with lock:
        named = threading.Timer(0.2, lambda: RunLock(tmp_path).name("r-1"))
        named.start()
        owner = owner_of(tmp_path)
        named.join()
    assert owner is not None and (owner.pid, owner.run_id) == (os.getpid(), "r-1")


def test_a_run_gets_its_name_later(tmp_path: Path) -> None:
    mine = RunLock(tmp_path)
    mine.acquire("")
    mine.name("r9")
    owner = owner_of(tmp_path)
    assert owner is not None
    assert owner.run_id == "r9"
    (tmp_path / RUN_OWNER_FILE).unlink()
    mine.release()


def test_an_owner_without_a_host(tmp_path: Path) -> None:
    assert "process 5 on this machine, since" in str(RunOwner(5))


def test_without_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "fcntl", None)
    assert not is_held(tmp_path / RUN_LOCK_FILE)
    mine = RunLock(tmp_path)
    mine.acquire("r1")
    owner = owner_of(tmp_path)
    assert owner is not None
    assert owner.run_id == "r1"
    mine.release()
    (tmp_path / RUN_LOCK_FILE).touch()
    assert owner_of(tmp_path) is None
