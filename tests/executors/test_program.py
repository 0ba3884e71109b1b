"""Programs: their output, exit code, time limit, and that nothing of them is left when they are ended."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from octo.errors import NameNotFound, OctoError, StepTimeout, UsageError
from octo.executors import program
from octo.executors.program import run_program
from tests.executors.kit import CHECKOUT, is_gone, number_in, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="written with POSIX programs")


def run(*argv: str, **options: Any) -> program.ProgramResult:
    options = {"cwd": None, "env": None, **options}
    return run_program(list(argv), **options)


def python(source: str, **options: Any) -> program.ProgramResult:
    return run(sys.executable, "-c", source, **options)


def test_both_streams_come_line_by_line_and_stdout_is_kept_whole() -> None:
    lines: list[str] = []
    source = "import sys; print('one'); print('two\\n\\nfour', end=''); print('err', file=sys.stderr); sys.exit(3)"
    result = python(source, capture=True, on_line=lines.append)
    assert (result.exit_code, result.output) == (3, "one\ntwo\n\nfour")
    assert sorted(lines) == sorted(["one", "two", "", "four", "err"])
    assert result.ending == "ended with exit code 3"


def test_output_is_not_kept_unless_asked_for() -> None:
    assert run("echo", "hello").output == ""


def test_lines_come_while_it_runs() -> None:
    came = threading.Event()
    stop = threading.Event()

    def on_line(line: str) -> None:
        came.set()
        stop.set()

    source = "import time; print('now', flush=True); time.sleep(100)"
    result = python(source, on_line=on_line, stop=stop)
    assert came.is_set() and result.stopped


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    result = python(r"import os; os.write(1, b'a\xffb')", capture=True)
    assert result.output == "a\N{REPLACEMENT CHARACTER}b"


def test_arguments_are_passed_as_they_are() -> None:
    args = ["a b", "$HOME", "*", ";", ""]
    result = run(sys.executable, "-c", "import sys; print(sys.argv[1:])", *args, capture=True)
    assert result.output == f"{args}\n"


def test_stdin_is_the_file_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("hello")
    assert run("cat", cwd=tmp_path, stdin_file="in.txt", capture=True).output == "hello"
    assert run("cat", capture=True).output == ""
    with pytest.raises(UsageError, match="stdin_file .*no.txt"):
        run("cat", cwd=tmp_path, stdin_file="no.txt")


def test_directory_and_environment(tmp_path: Path) -> None:
    source = "import os; print(os.getcwd(), os.environ['X'])"
    result = python(source, cwd=tmp_path, env={"X": "1"}, capture=True)
    assert result.output.split() == [str(tmp_path.resolve()), "1"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["timeout", "stop"])
def test_its_whole_group_is_ended(what: str, tmp_path: Path) -> None:
    stop = threading.Event()
    source = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "time.sleep(120)\n"
    )
    if what == "stop":
        threading.Thread(target=lambda: (number_in(tmp_path / "child"), stop.set()), daemon=True).start()
        assert python(source, cwd=tmp_path, stop=stop).stopped
    else:
        with pytest.raises(StepTimeout, match=r"took longer than its time-out of 3 s"):
            python(source, cwd=tmp_path, timeout=3)
    child = number_in(tmp_path / "child")
    until(lambda: is_gone(child))


def test_one_that_does_not_heed_the_request_is_killed(tmp_path: Path) -> None:
    stop = threading.Event()
    source = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('ready', 'w').close()\n"
        "time.sleep(120)"
    )
    threading.Thread(target=lambda: (until((tmp_path / "ready").exists), stop.set()), daemon=True).start()
    result = python(source, cwd=tmp_path, stop=stop, stop_timeout=0.2)
    assert (result.exit_code, result.ending) == (-9, "was ended by SIGKILL")


def test_one_that_heeds_the_request_can_finish(tmp_path: Path) -> None:
    stop = threading.Event()
    source = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0)))\n"
        "open('ready', 'w').close(); time.sleep(120)"
    )
    threading.Thread(target=lambda: (until((tmp_path / "ready").exists), stop.set()), daemon=True).start()
    result = python(source, cwd=tmp_path, stop=stop, stop_timeout=60, capture=True)
    assert (result.exit_code, result.output, result.stopped) == (0, "bye\n", True)


@pytest.mark.slow
def test_a_daemon_that_holds_the_pipe_does_not_hold_us(tmp_path: Path) -> None:
    source = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)'], start_new_session=True)\n"
        "open('child', 'w').write(str(child.pid)); print('done')"
    )
    started = time.monotonic()
    result = python(source, cwd=tmp_path, capture=True)
    assert result.output == "done\n" and result.exit_code == 0
    assert time.monotonic() - started < 60
    psutil.Process(number_in(tmp_path / "child")).kill()


def test_too_much_output_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MOST", 1 << 20)
    with pytest.raises(OctoError, match="larger than 1 MiB"):
        run("yes", capture=True)
    assert python("print('x' * (1 << 20))").exit_code == 0


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(NameNotFound, match=r"no such program on PATH; did you mean sleep\?"):
        run("sleeep")
    (tmp_path / "tool.sh").write_text("echo hi\n")
    with pytest.raises(NameNotFound, match=r"did you mean tool.sh\?"):
        run("./tol.sh", cwd=tmp_path)
    with pytest.raises(UsageError, match="not marked as a program") as caught:
        run("./tool.sh", cwd=tmp_path)
    assert caught.value.hints == ["chmod +x ./tool.sh"]
    (tmp_path / "tool.sh").chmod(0o755)
    with pytest.raises(UsageError, match="first line"):
        run("./tool.sh", cwd=tmp_path)
    (tmp_path / "tool.sh").write_text("#!/no/such/interpreter\n")
    with pytest.raises(UsageError, match="first line a program that is not there"):
        run("./tool.sh", cwd=tmp_path)
    with pytest.raises(UsageError, match="working directory"):
        run("true", cwd=tmp_path / "no")
    with pytest.raises(UsageError, match="cannot be passed on"):
        run("true", "a\0b")
    with pytest.raises(UsageError, match="too large for the system"):
        run("true", "x" * (4 << 20))


ENGINE = """
import sys
from octo.executors.program import run_program
run_program(["sh", "-c", "echo $$ > pid; sleep 120 & echo $! > child; wait"], cwd=sys.argv[1], env=None)
"""


@pytest.mark.faults
def test_when_the_engine_is_killed_its_programs_end(tmp_path: Path) -> None:
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path)], cwd=CHECKOUT)
    try:
        pids = [number_in(tmp_path / name) for name in ("pid", "child")]
        # the guard, which is told of a program that takes a while
        (guard,) = until(lambda: [process for process in psutil.Process(engine.pid).children()
                                  if "guard.py" in " ".join(process.cmdline())])
        time.sleep(0.5)  # it has started; what it is told follows
    finally:
        engine.kill()
        engine.wait()
    until(lambda: all(is_gone(pid) for pid in [*pids, guard.pid]))


def test_an_engine_that_ends_by_itself_leaves_no_guard(tmp_path: Path) -> None:
    source = (
        "import psutil; from octo.executors.program import run_program\n"
        "run_program(['sleep', '0.3'], cwd=None, env=None)\n"
        "print(*(process.pid for process in psutil.Process().children()))"
    )
    ended = subprocess.run([sys.executable, "-c", source], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() and all(is_gone(int(pid)) for pid in ended.stdout.split())


def test_usage_is_that_of_the_program() -> None:
    source = (
        "import time; data = bytearray(60 << 20); data[::4096] = b'1' * len(data[::4096])\n"
        "end = time.process_time() + 0.2\n"
        "while time.process_time() < end: pass"
    )
    usage = python(source).usage
    assert usage.cpu >= 0.2 and usage.wall >= 0.2 and not usage.shared
    assert (60 << 20) < usage.rss < (160 << 20)
