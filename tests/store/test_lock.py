"""The parameter lock: it excludes what takes a flock or a FileLock, names its holder, and blocks nobody for long."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from filelock import FileLock, SoftFileLock, Timeout

from octo.errors import LockTimeout, StoreError
from octo.store import LockedJson, ParameterStore
from octo.store import lock as lock_module
from octo.store.lock import ParameterLock
from tests.store.states import other, other_json

posix = pytest.mark.skipif(sys.platform == "win32", reason="flock")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


@pytest.fixture(params=["flock", "filelock"])
def lock(request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch) -> ParameterLock:
    if request.param == "filelock":
        monkeypatch.setattr(lock_module, "fcntl", None)
    return ParameterLock(path, timeout=0.05)


def test_it_excludes_a_filelock_and_the_other_way_round(lock: ParameterLock, path: Path) -> None:
    lock.acquire()
    assert lock.held
    lock.acquire()
    with pytest.raises(Timeout):
        FileLock(path, timeout=0.02).acquire()
    lock.release()
    lock.release()
    with FileLock(path), pytest.raises(LockTimeout, match=str(path)):
        lock.acquire()
    lock.acquire()
    lock.close()
    with FileLock(path, timeout=0):
        pass


def test_two_of_them_exclude_each_other(lock: ParameterLock, path: Path) -> None:
    rival = ParameterLock(path, timeout=0.02)
    with_lock = 0
    lock.acquire()
    with pytest.raises(LockTimeout):
        rival.acquire()
    lock.release()
    rival.acquire()
    with_lock += rival.held
    rival.close()
    assert with_lock == 1


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="needs /proc")
def test_the_holder_is_named(path: Path) -> None:
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    lock = ParameterLock(path, timeout=0.05)
    try:
        with pytest.raises(LockTimeout, match=rf"held by process {child.pid} \(python"):
            lock.acquire()
    finally:
        child.kill()
        child.wait()
    lock.timeout = 5
    lock.acquire()
    lock.close()


@posix
def test_a_lock_file_that_was_deleted_or_replaced_is_no_lock(path: Path, tmp_path: Path) -> None:
    lock = ParameterLock(path, timeout=0.05)
    lock.acquire()
    lock.release()
    path.unlink()
    with FileLock(path), pytest.raises(LockTimeout):
        lock.acquire()
    (tmp_path / "new").write_text("")
    os.replace(tmp_path / "new", path)
    lock.acquire()
    with pytest.raises(Timeout):
        FileLock(path, timeout=0.02).acquire()
    lock.close()


@posix
def test_a_waiter_takes_the_file_that_is_there_when_the_held_one_is_deleted(path: Path) -> None:
    holder, waiter = ParameterLock(path), ParameterLock(path, timeout=5)
    holder.acquire()
    threading.Timer(0.05, path.unlink).start()
    waiter.acquire()
    assert path.exists()
    with pytest.raises(Timeout):
        FileLock(path, timeout=0.02).acquire()
    holder.close()
    waiter.close()


def test_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        ParameterLock(tmp_path / "none" / "a.lock").acquire()


@posix
def test_a_link_in_the_place_of_the_lock_file_is_refused(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be opened"):
        ParameterLock(path).acquire()
    assert not (tmp_path / "elsewhere").exists()


@posix
def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StoreError, match="No locks available"):
        ParameterLock(path).acquire()


def test_a_soft_lock_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "fcntl", None)
    monkeypatch.setattr("filelock.FileLock", SoftFileLock)
    lock = ParameterLock(path)
    with pytest.warns(UserWarning, match="soft lock"):
        lock.acquire()
    assert path.exists()  # which is what holds it
    lock.release()
    assert not path.exists()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        lock.close()


def test_the_whole_store_without_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "fcntl", None)
    data = LockedJson(tmp_path / "a.json", default={})
    for _ in range(5):
        data.increment("n")
    assert other_json(tmp_path / "a.json").increment("n") == 6
    assert data.get("n") == 6


def test_back_to_back_locking_pauses_for_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    lock = ParameterLock(path)
    real = time.sleep
    me = threading.current_thread()

    def noted(seconds: float) -> None:
        if threading.current_thread() is me:  # the store's own threads rest as well
            pauses.append(seconds)
        real(seconds)

    monkeypatch.setattr("time.sleep", noted)
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        lock.acquire()
        began = time.monotonic()
        while time.monotonic() - began < 0.0005:
            pass
        lock.release()
    assert 0.005 in pauses
    pauses.clear()
    for _ in range(20):
        lock.acquire()
        lock.release()
        real(0.002)
    assert not pauses, "one that leaves the lock free by itself never pauses"
    lock.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_works_with_the_open_store(store: ParameterStore) -> None:
    store.set("ctx", "n", 0)
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with store.transaction() as tx:
            inside.set()
            go_on.wait(10)
            tx.increment(("ctx", "n"))

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads at a fork: that is what is tested
        pid = os.fork()
    if pid == 0:
        try:
            for _ in range(20):
                store.increment("ctx", "n")
            store.close()
        except BaseException:
            os._exit(1)
        os._exit(0)
    time.sleep(0.1)
    go_on.set()
    thread.join()
    for _ in range(20):
        store.increment("ctx", "n")
    assert os.waitpid(pid, 0)[1] == 0
    assert store.get("ctx", "n") == 41
    assert other(store).get("ctx", "n") == 41
