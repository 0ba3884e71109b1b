"""ctx_file_lock: one at a time at a shared file."""

from __future__ import annotations

import asyncio
import csv
import importlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import filelock
import pytest

from octo.context import Context
from octo.errors import LockTimeout, OctoError, UsageError
from step_library.files.ctx_file_lock import FileLockAcquisitionError, file_lock, filelock_step
from step_library.kit.files import path_locks
from tests.recipe.runs import Project

CHECKOUT = Path(__file__).resolve().parents[2]
COUNT = """
import json, sys
from step_library.files.ctx_file_lock import file_lock
for _ in range(int(sys.argv[1])):
    with file_lock("Data/counters.json"):
        with open("Data/counters.json") as f:
            counters = json.load(f)
        counters["task"] += 1
        with open("Data/counters.json", "w") as f:
            json.dump(counters, f)
"""
HOLD = """
import sys
from step_library.files.ctx_file_lock import file_lock
with file_lock("f"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Data").mkdir()
    return tmp_path


def program(code: str, *args: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen([sys.executable, "-c", code, *args], env=env, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def run_threads(work: Any, count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_counters_of_two_processes() -> None:
    """The first and fifth documented examples: load, modify and dump under the lock; nothing is lost."""
    Path("Data/counters.json").write_text('{"task": 0}')
    two = [program(COUNT, "200") for _ in range(2)]
    for each in two:
        each.communicate(timeout=60)
        assert each.returncode == 0
    assert json.loads(Path("Data/counters.json").read_text()) == {"task": 400}


def test_a_snapshot_that_is_not_there_yet() -> None:
    """The second documented example: save_ctx_snapshot(ctx)."""
    for ctx in ({"a": [1]}, Context({"a": [1]})):
        with file_lock("Data/ctx_snapshot.json"):
            assert not Path("Data/ctx_snapshot.json").exists()  # the lock is a file of its own
            with open("Data/ctx_snapshot.json", "w") as f:
                json.dump(dict(ctx), f, indent=2)
        assert json.loads(Path("Data/ctx_snapshot.json").read_text()) == {"a": [1]}
        os.remove("Data/ctx_snapshot.json")


def test_rows_and_lines_of_threads() -> None:
    """The third and fourth documented examples: append_row_safe, and 100 numbered lines of each thread."""
    def append_row_safe(path: str, row: list[Any]) -> None:
        with file_lock(path), open(path, "a", newline="") as f:
            csv.writer(f).writerow(row)

    def writer() -> None:
        for i in range(100):
            append_row_safe("Data/rows.csv", [i, "x" * 50])
            with file_lock("Data/concurrent.txt"), open("Data/concurrent.txt", "a") as f:
                f.write(str(i) + "\n")

    run_threads(writer, 4)
    assert sorted(map(int, Path("Data/concurrent.txt").read_text().split())) == sorted([*range(100)] * 4)
    assert len(list(csv.reader(open("Data/rows.csv", newline="")))) == 400
    assert not path_locks._shared  # nothing is kept


def test_threads_with_one_lock_object() -> None:
    lock, seen, inside = file_lock("f"), [], []

    def work() -> None:
        for _ in range(50):
            with lock:
                inside.append(1)
                seen.append(len(inside))
                inside.pop()

    run_threads(work, 4)
    assert set(seen) == {1}


def test_again_in_the_same_thread() -> None:
    with file_lock("f"), file_lock("./f"):
        with file_lock(["f", "g"], timeout=0) as held:
            assert [Path(path).name for path in held.paths] == ["f.lock", "g.lock"]
        other: list[str] = []
        run_threads(lambda: other.append(tried()), 1)
        assert other == ["another thread"]
    assert tried() == "free"


def tried() -> str:
    try:
        with file_lock("f", timeout=0):
            return "free"
    except FileLockAcquisitionError as error:
        return "another thread" if "another thread" in str(error) else str(error)


def test_the_holder_is_named_and_a_killed_one_is_gone() -> None:
    holder = program(HOLD)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(FileLockAcquisitionError, match="f.lock is held by") as caught, file_lock("f", timeout=0.05):
        pass
    assert isinstance(caught.value, (LockTimeout, TimeoutError)) and caught.value.hints
    with pytest.raises(filelock.Timeout):  # others see it too
        filelock.FileLock("f.lock", timeout=0).acquire()
    holder.kill()
    holder.communicate()
    with file_lock("f", timeout=30):
        pass


def test_a_lock_that_is_not_had_is_caught_as_any_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The sixth documented example: `except Exception as e`, and a line that tells why."""
    def protected() -> None:
        try:
            with file_lock("Data/protected.txt", timeout=0):
                print("inside")
        except Exception as e:
            print(f"Locking or file operation failed: {e}")

    with file_lock("Data/protected.txt"):
        run_threads(protected, 1)
    protected()
    failed, inside = capsys.readouterr().out.splitlines()
    assert failed.startswith("Locking or file operation failed: ") and "protected.txt.lock is held by" in failed
    assert inside == "inside"


def test_an_error_inside_gives_it_back() -> None:
    with pytest.raises(ValueError, match="mine"), file_lock(["f", "g"]):
        raise ValueError("mine")
    assert tried() == "free"


def test_two_files_in_either_order() -> None:
    def work(paths: list[str]) -> Any:
        def turns() -> None:
            for _ in range(100):
                with file_lock(paths):
                    pass
        return turns

    threads = [threading.Thread(target=work(paths)) for paths in (["a", "b"], ["b", "a"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_the_decorators() -> None:
    """The seventh documented example, proposed there: filelock_step(path), and file_lock itself."""
    @filelock_step("Data/shared.json")
    def step(ctx: Any, by: int = 1) -> int:
        """What it does."""
        with pytest.raises(FileLockAcquisitionError):
            run_elsewhere("Data/shared.json")
        return int(ctx["n"]) + by

    assert step({"n": 1}, by=2) == 3 and (step.__name__, step.__doc__) == ("step", "What it does.")

    inside: list[int] = []

    @file_lock("Data/shared.json", 30)
    async def task() -> int:
        inside.append(1)
        seen = len(inside)
        await asyncio.sleep(0.001)
        inside.pop()
        return seen

    async def both() -> list[int]:
        return await asyncio.gather(*(task() for _ in range(5)))

    assert asyncio.run(both()) == [1] * 5

    @file_lock("Data/shared.json", 0.05)
    async def late() -> None:
        raise AssertionError("it was not locked")

    async def in_vain() -> None:
        with file_lock("Data/shared.json"):
            await asyncio.gather(late())

    with pytest.raises(FileLockAcquisitionError, match="in all"):
        asyncio.run(in_vain())


def run_elsewhere(path: str) -> None:
    """Take the lock in another thread, at once or never; raise what it raises."""
    errors: list[BaseException] = []

    def take() -> None:
        try:
            with file_lock(path, timeout=0):
                pass
        except OctoError as error:
            errors.append(error)

    run_threads(take, 1)
    for error in errors:
        raise error


@pytest.mark.parametrize("ctx", [{}, Context()], ids=["dict", "Context"])
def test_a_record_of_its_use(ctx: Any) -> None:
    for _ in range(2):
        with file_lock("f", ctx=ctx, reason="because"):
            pass
    first, second = ctx["file_locks"]
    assert first["paths"] == ["f"] and first["reason"] == "because" and first["process"] == os.getpid()
    assert first["acquired"] <= first["released"] <= second["released"]


def test_what_cannot_be_locked() -> None:
    Path("file").touch()
    with pytest.raises(OSError, match="cannot be had") as caught, file_lock("file/below"):
        pass
    assert isinstance(caught.value, OctoError)
    for wrong in ("", [], ["f", ""]):
        with pytest.raises(UsageError, match="needs the path of a file"):
            file_lock(wrong)
    with pytest.raises(UsageError, match="timeout is to be seconds"):
        file_lock("f", timeout=-1)
    with file_lock("new/folder/f"):  # made for the lock
        assert os.listdir("new/folder") == ["f.lock"]


def _in_child() -> None:
    ok = tried() != "free"
    os._exit(0 if ok else 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_of_a_fork_does_not_hold_it() -> None:
    with file_lock("f"):
        child = multiprocessing.get_context("fork").Process(target=_in_child)
        child.start()
        child.join(30)
        assert child.exitcode == 0
        assert tried() == "free"  # still this thread's, which may take it again
        outcome: list[str] = []
        run_threads(lambda: outcome.append(tried()), 1)
        assert outcome == ["another thread"]


def test_the_documented_imports() -> None:
    for package in ("core", "steps"):
        assert importlib.import_module(f"scriptlets.python.{package}.ctx_file_lock").file_lock is file_lock


def test_in_steps_of_a_recipe_that_run_together(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        import json
        from pathlib import Path
        from scriptlets.python.core.ctx_file_lock import file_lock
        def count(ctx):
            with file_lock("n.json"):
                path = Path("n.json")
                path.write_text(str(1 + int(path.read_text() if path.exists() else 0)))
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: c, module: BODY, function: count, for_each: "{{ range(20) | list }}", parallel: true}
          - {name: gate, module: BODY, function: gate, depends_on: c}
          - {name: more, module: BODY, function: count, requires_process: true, depends_on: gate}
    """)
    assert project.run().status == "COMPLETE_ERROR" and (project.folder / "n.json").read_text() == "20"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and (project.folder / "n.json").read_text() == "21"
