"""Runs one program (never a shell) to its end, with a time limit, its output line by line and its exact usage."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from octo.errors import NameNotFound, OctoError, StepTimeout, UsageError, nearest, quoted

from .child import PATIENCE, Child, spell_exit
from .guard import guard
from .lines import LineReader
from .usage import Usage

MOST = 16 << 20
"""Bytes of output that can be kept."""

LINGER = 2.0
"""Seconds that the output is waited for when the program has ended: one that it left behind may hold the pipe."""

LOOK = 0.05
"""Seconds between two looks at the stop request."""


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended. `exit_code` -N: by signal N; `stopped`: because it was asked to."""

    exit_code: int
    output: str
    usage: Usage
    stopped: bool = False

    @property
    def ending(self) -> str:
        """For people: `ended with exit code 3`."""
        return spell_exit(self.exit_code)


def run_program(
    argv: list[str],
    *,
    cwd: str | Path | None,
    env: dict[str, str] | None,
    stdin_file: str | Path | None = None,
    capture: bool = False,
    on_line: Callable[[str], None] = lambda line: None,
    timeout: float | None = None,
    stop: threading.Event | None = None,
    stop_timeout: float = PATIENCE,
) -> ProgramResult:
    """Run `argv` and wait until it has ended.

    Each line of its stdout and stderr goes to `on_line` (from another thread, one at a time); with `capture`
    its stdout is kept whole as well. StepTimeout after `timeout` seconds; when `stop` is set it is asked to end
    (SIGTERM) and has `stop_timeout` seconds for it. Either ends all that it started.
    """
    child = _start(argv, cwd, env, stdin_file)
    output = _Output(child, on_line, capture)
    give_up = time.monotonic() + timeout if timeout else None
    stopped = is_guarded = False
    try:
        while not output.wait(child):
            if not is_guarded:  # one that ends at once costs no more than itself
                is_guarded = True
                guard.watch(child.pid)
            if output.is_too_large:
                child.end()
                raise OctoError(f"{argv[0]}: its output is larger than {MOST >> 20} MiB, the most that can be kept in "
                                "ctx; let it write a file")
            if give_up is not None and time.monotonic() > give_up:
                child.end()
                raise StepTimeout(f"{argv[0]} took longer than its time-out of {timeout:g} s")
            if stop is not None and stop.is_set():
                stopped = True
                child.end(stop_timeout)
                break
        text = output.finish()
    except BaseException:
        child.end(0)
        output.finish()
        raise
    finally:
        if is_guarded:
            guard.forget(child.pid)
    if output.is_too_large:
        raise OctoError(f"{argv[0]}: its output is larger than {MOST >> 20} MiB, the most that can be kept in ctx; "
                        "let it write a file")
    code = child.poll()
    if code is None:
        raise OctoError(f"{argv[0]}: process {child.pid} {spell_exit(None)}")
    return ProgramResult(code, text, child.usage, stopped)


class _Output:
    """Both streams of a program."""

    def __init__(self, child: Child, on_line: Callable[[str], None], capture: bool) -> None:
        self._kept = bytearray()
        self._news = threading.Event()
        self._open = 2
        self._lock = threading.Lock()
        self._on_line = on_line
        assert child.process.stdout is not None and child.process.stderr is not None
        keep = self._keep if capture else lambda data: data
        self._readers = [
            LineReader(child.process.stdout, self._say, keep, on_end=self._ended),
            LineReader(child.process.stderr, self._say, on_end=self._ended),
        ]

    @property
    def is_too_large(self) -> bool:
        return len(self._kept) > MOST

    def _say(self, line: str) -> None:
        with self._lock:
            self._on_line(line)

    def _keep(self, data: bytes) -> bytes:
        if len(self._kept) <= MOST:
            self._kept += data
            if self.is_too_large:
                self._news.set()
        return data

    def _ended(self) -> None:
        with self._lock:
            self._open -= 1
        if not self._open:
            self._news.set()

    def wait(self, child: Child) -> bool:
        """Wait a moment; True when the program has ended."""
        self._news.wait(LOOK)
        # Its last output is mostly the end of it.
        return child.wait(LOOK if not self._open else 0) is not None

    def finish(self) -> str:
        """The output that was kept, when all of it is there."""
        give_up = time.monotonic() + LINGER
        for reader in self._readers:
            if not reader.join(max(0.0, give_up - time.monotonic())):
                reader.leave_behind()
        return self._kept.decode(errors="replace")


def _start(argv: list[str], cwd: str | Path | None, env: dict[str, str] | None, stdin_file: str | Path | None) -> Child:
    if cwd is not None and not os.path.isdir(cwd):
        raise UsageError(f"the working directory {cwd} is not there, or no directory")
    directory = None if cwd is None else str(cwd)
    if stdin_file is None:
        return _spawn(argv, directory, env, subprocess.DEVNULL)
    path = Path(directory or ".", stdin_file)
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise UsageError(f"stdin_file {path}: {error.strerror}") from error
    try:
        return _spawn(argv, directory, env, fd)
    finally:
        os.close(fd)


def _spawn(argv: list[str], cwd: str | None, env: dict[str, str] | None, stdin: int) -> Child:
    try:
        return Child(argv, cwd=cwd, env=env, stdin=stdin)
    except FileNotFoundError as error:
        raise _not_found(argv[0], cwd, env) from error
    except PermissionError as error:
        raise UsageError(f"{argv[0]} may not be run: it is a directory, or not marked as a program",
                         hints=[f"chmod +x {quoted(argv[0])}"]) from error
    except ValueError as error:  # a NUL, or half a character
        raise UsageError(f"{argv[0]!r}: an argument or an environment variable cannot be passed on: {error}") from error
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            raise UsageError(f"{argv[0]} is no program: a script says in its first line what runs it, "
                             "such as #!/usr/bin/env python3") from error
        if error.errno == errno.E2BIG:
            raise UsageError(f"{argv[0]}: its arguments and environment are too large for the system; "
                             "pass large data in a file or by stdin_file") from error
        raise OctoError(f"{argv[0]} could not be started: {error.strerror}") from error


def _not_found(name: str, cwd: str | None, env: dict[str, str] | None) -> OctoError:
    if os.path.dirname(name):
        if os.path.exists(os.path.join(cwd or ".", name)):
            return UsageError(f"{name} names in its first line a program that is not there")
        return NameNotFound(f"{name} is not there{nearest(os.path.basename(name), _names(_directory_of(name, cwd)))}")
    on_path = [entry for directory in os.get_exec_path(env) for entry in _names(directory)]
    return NameNotFound(f"{name}: there is no such program on PATH{nearest(name, on_path)}")


def _directory_of(name: str, cwd: str | None) -> str:
    return os.path.join(cwd or ".", os.path.dirname(name))


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory or ".")
    except OSError:
        return []
