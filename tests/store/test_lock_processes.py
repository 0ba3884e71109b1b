"""The parameter lock: with FileLock and other processes, a lock file that goes away, kills, forks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock, SoftFileLock, Timeout

from octo.errors import LockTimeout, StoreError
from octo.store import LOCK_FILE, LockedJson, ParameterStore
from octo.store import lock as lock_module
from octo.store.lock import ParameterLock
from tests.store.states import other

pytestmark = pytest.mark.skipif(os.name == "nt", reason="flock")

FLOCK = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True); sys.stdin.read()
"""
FILELOCK = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True); sys.stdin.read()
"""
OURS = """
import sys
from pathlib import Path
from octo.store.lock import ParameterLock
lock = ParameterLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True); sys.stdin.read()
"""
BUSY = """
import sys
from octo.store import ParameterStore
store = ParameterStore(sys.argv[1])
store.increment("ctx", "n")
print("held", flush=True)
while True: store.increment("ctx", "n")
"""


@contextmanager
def child(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs `code`; it goes on when it says "held", and is ended behind the block."""
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def is_free(path: Path) -> bool:
    lock = ParameterLock(path, timeout=0.0)
    try:
        lock.acquire()
    except LockTimeout:
        return False
    finally:
        lock.close()
    return True


@pytest.mark.parametrize("code", [FLOCK, FILELOCK, OURS], ids=["flock", "FileLock", "octo"])
def test_while_another_process_holds_it_nothing_is_changed(store: ParameterStore, code: str) -> None:
    store._state_file.lock.timeout = 0.1
    with child(code, store.directory / LOCK_FILE) as holder:
        name = Path(f"/proc/{holder.pid}/comm").read_text().strip() if sys.platform == "linux" else ""
        with pytest.raises(LockTimeout, match=r"waited 0 s") as caught:
            store.set("ctx", "a", 1)
        if name:
            assert f"held by process {holder.pid} ({name})" in caught.value.message
        with pytest.raises(LockTimeout):
            store.read()
    store.set("ctx", "a", 2)
    assert store.seq == 1


def test_while_it_is_held_others_wait(store: ParameterStore) -> None:
    path = store.directory / LOCK_FILE
    script = ("import sys\nfrom filelock import FileLock, Timeout\n"
              "try:\n FileLock(sys.argv[1], timeout=0.1).acquire()\n"
              "except Timeout: print('time-out')\nelse: print('taken')")

    def of_another_process() -> str:
        return subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True).stdout

    with store.transaction() as tx:
        tx.set(("ctx", "a"), 1)
        assert of_another_process() == "time-out\n"
        assert not is_free(path)
        with pytest.raises(Timeout):
            FileLock(path, timeout=0).acquire()
    assert of_another_process() == "taken\n"


def test_one_waits_until_the_lock_is_given_back(store: ParameterStore) -> None:
    with child(FILELOCK, store.directory / LOCK_FILE) as holder:
        assert holder.stdin is not None
        subprocess.Popen(["sh", "-c", f"sleep 0.3; kill {holder.pid}"])
        began = time.monotonic()
        store.set("ctx", "a", 1)
        assert 0.1 < time.monotonic() - began < 5


def test_a_holder_that_cannot_be_named(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *a: "" if str(self) == "/proc/locks" else real(self, *a))
    store._state_file.lock.timeout = 0.02
    with child(FLOCK, store.directory / LOCK_FILE), pytest.raises(LockTimeout, match="held by another process"):
        store.set("ctx", "a", 1)


@pytest.mark.parametrize("what", ["deleted", "replaced"])
@pytest.mark.parametrize("when", ["held", "between"])
def test_a_lock_file_that_goes_away(store: ParameterStore, what: str, when: str) -> None:
    """What counts is the file that has the name now."""
    path = store.directory / LOCK_FILE

    def goes() -> None:
        path.unlink()
        if what == "replaced":
            path.touch()

    if when == "held":
        with store.transaction() as tx:
            goes()
            tx.increment(("ctx", "n"))
    else:
        store.increment("ctx", "n")
        goes()
    with store.transaction() as tx:
        assert not is_free(path)
        assert os.fstat(store._state_file.lock._fd).st_ino == path.stat().st_ino
        tx.increment(("ctx", "n"))
    assert is_free(path)
    assert other(store).get("ctx", "n") == 2


def test_the_file_is_replaced_while_another_process_holds_the_old_one(store: ParameterStore) -> None:
    """Who waits for a lock file that has no name any more waits for nothing."""
    path = store.directory / LOCK_FILE
    with child(FLOCK, path):
        path.unlink()
        began = time.monotonic()
        store.set("ctx", "a", 1)
        assert time.monotonic() - began < 1


def test_a_link_in_the_lock_files_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=r"the lock file .*a.lock cannot be opened"):
        LockedJson(tmp_path / "a.json", default={}).set("a", 1)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_locks(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    with monkeypatch.context() as patch:
        patch.setattr(lock_module.fcntl, "flock", flock)
        with pytest.raises(StoreError, match="cannot be locked: Function not implemented"):
            store._state_file.lock.acquire()
    assert not store._state_file.lock.held
    store.set("ctx", "a", 1)


def test_giving_back_twice_and_taking_twice_are_harmless(tmp_path: Path) -> None:
    lock = ParameterLock(tmp_path / "a.lock")
    lock.acquire()
    lock.acquire()
    lock.release()
    assert is_free(lock.path)
    lock.release()
    lock.close()
    lock.close()
    lock.forget()
    lock.release()
    assert is_free(lock.path)


def test_who_locks_back_to_back_stays_off_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr(lock_module.time, "sleep", rests.append)
    now = [100.0]
    monkeypatch.setattr(lock_module.time, "monotonic", lambda: now[0])
    lock = ParameterLock(tmp_path / "a.lock")

    def hold(held: float, free: float, times: int) -> list[float]:
        rests.clear()
        for _ in range(times):
            lock.acquire()
            now[0] += held
            lock.release()
            now[0] += free
        return rests

    assert 3 <= len(hold(0.001, 0.0001, 100)) <= 11
    assert set(rests) == {0.005}
    now[0] += 1
    assert hold(0.001, 0.0006, 100) == [], "pauses of its own: not back to back"
    now[0] += 1
    assert hold(0.0001, 0.0004, 500) == [], "others had their chances"


@pytest.mark.slow
def test_a_poller_of_50_ms_gets_its_turn_while_another_process_never_pauses(store: ParameterStore) -> None:
    lock = FileLock(store.directory / LOCK_FILE, timeout=30)
    with child(BUSY, store.directory):
        began = time.monotonic()
        while store.get("ctx", "n", default=0) <= 10 and time.monotonic() - began < 20:
            time.sleep(0.05)
        began = time.monotonic()
        for _ in range(3):
            with lock:
                time.sleep(0.001)
        assert time.monotonic() - began < 15
    assert store.increment("ctx", "n") > 10


def test_a_killed_holder_blocks_nobody(store: ParameterStore) -> None:
    store._state_file.lock.timeout = 1.0
    with child(OURS, store.directory / LOCK_FILE) as holder:
        holder.kill()
        holder.wait()
        began = time.monotonic()
        store.set("ctx", "a", 1)
        assert time.monotonic() - began < 0.5


# -- fork ------------------------------------------------------------------------------------------


def in_fork(work: object) -> int:
    """The exit code of a forked child that does `work`: 0 unless it raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a test's process has threads
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()  # type: ignore[operator]
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_fork_with_an_open_store(store: ParameterStore) -> None:
    store.set("ctx", "n", 0)
    file = store._state_file

    def work() -> None:
        assert file.journal.fd == -1, "nothing of the parent's is used"
        for _ in range(20):
            store.increment("ctx", "n")
        assert store.get("ctx", "n") == 20

    assert in_fork(work) == 0
    for _ in range(20):
        store.increment("ctx", "n")
    assert store.get("ctx", "n") == 40
    assert in_fork(lambda: store.increment("ctx", "n")) == 0
    assert other(store).get("ctx", "n") == 41


def test_a_fork_while_the_lock_is_held(store: ParameterStore) -> None:
    """The child has not got the parent's lock, and does not take it away from it either."""
    path = store.directory / LOCK_FILE
    with store.transaction() as tx:
        tx.set(("ctx", "a"), 1)

        def work() -> None:
            lock = store._state_file.lock
            assert not lock.held
            lock.timeout = 0.05
            with pytest.raises(LockTimeout, match=f"process {os.getppid()}"):
                store.set("ctx", "a", 2)

        assert in_fork(work) == 0
        assert not is_free(path)
    assert in_fork(lambda: store.set("ctx", "a", 3)) == 0
    assert store.get("ctx", "a") == 3


def test_a_fork_while_another_thread_is_in_the_store(store: ParameterStore) -> None:
    import threading

    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with store.transaction() as tx:
            tx.set(("ctx", "thread"), 1)
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)

    def work() -> None:
        store._state_file.lock.timeout = 0.05
        with pytest.raises(LockTimeout):  # of the file: the thread's own lock is not waited for, nobody gives it back
            store.set("ctx", "a", 2)

    try:
        assert in_fork(work) == 0
    finally:
        leave.set()
        thread.join()
    assert store.get("ctx") == {"thread": 1}


# -- where there is no flock -----------------------------------------------------------------------


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "fcntl", None)


def test_without_flock_filelock_does_the_work(tmp_path: Path, no_flock: None) -> None:
    data = LockedJson(tmp_path / "a.json", default={}, timeout=0.1)
    for n in range(3):
        data.set("n", n)
    with data.transaction() as tx:
        tx.set(("n",), 5)
        with pytest.raises(Timeout):
            FileLock(tmp_path / "a.lock", timeout=0).acquire()
    with FileLock(tmp_path / "a.lock"), pytest.raises(LockTimeout, match="a.lock is held by another process; waited"):
        data.set("n", 6)
    data.set("n", 7)
    assert data.read() == {"n": 7}
    data._state_file.close()
    assert data.increment("n") == 8
    if hasattr(os, "fork"):
        assert in_fork(lambda: data.increment("n")) == 0
        assert data.get("n") == 9


def test_a_soft_lock_is_said(tmp_path: Path, no_flock: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    monkeypatch.setattr(filelock, "FileLock", SoftFileLock)
    lock = ParameterLock(tmp_path / "a.lock")
    with pytest.warns(UserWarning, match="soft lock"):
        lock.acquire()
    lock.release()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lock.acquire()  # once is enough
    lock.close()
    assert not lock.path.exists()
