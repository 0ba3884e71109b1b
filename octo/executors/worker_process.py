"""One worker process, as the engine sees it."""

from __future__ import annotations

import os
import queue
import secrets
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octo.errors import CutOff, StepTimeout

from . import wire
from .child import PATIENCE, Child, spell_exit
from .lines import LineReader
from .outcome import PACKAGE, rebuilt
from .program import LINGER, LOOK
from .usage import Usage


@dataclass(frozen=True)
class WorkerResult:
    """What came of a body. `other`: type and size of a value that is no JSON. `ops`: its changes to ctx, in order."""

    value: Any
    other: dict[str, Any] | None
    ops: list[dict[str, Any]]
    usage: Usage


class NotBegun(Exception):
    """The worker was gone before the body began."""


class WorkerProcess:
    """Started with the call; runs one body at a time."""

    def __init__(self, instance: Path, path: list[str], directory: str) -> None:
        self.is_usable = True
        self.was_used = False
        self._is_busy = False
        self._said: deque[str] = deque(maxlen=20)
        # By the name of a module and from Octo's own place: a user's own queue.py in the directory is not in its way.
        self._child = Child([sys.executable, "-m", "octo.executors.worker"], cwd=os.path.dirname(PACKAGE),
                            stdin=subprocess.PIPE)
        process = self._child.process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        self._replies: queue.SimpleQueue[wire.Message | None] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._at_end = threading.Semaphore(0)
        marker = f"\0end of body {secrets.token_hex(8)}\0"
        self._output = LineReader(process.stderr, self._said.append, marker=marker.encode(),
                                  at_marker=self._at_end.release)
        threading.Thread(target=self._listen, name="octo-replies", daemon=True).start()
        own = set(path)
        with suppress(OSError):  # one that ended at once is noticed by who waits for its first reply
            self._send({
                "instance": str(instance), "directory": directory, "path": path, "marker": marker,
                "sys_path": [os.path.abspath(entry) for entry in sys.path if entry not in own],
            })

    def _listen(self) -> None:
        pipe = self._child.process.stdout
        assert pipe is not None
        try:
            for message in wire.messages(pipe.fileno(), greeting=wire.GREETING):
                self._replies.put(message)
        finally:
            self._replies.put(None)
            pipe.close()

    def _send(self, message: wire.Message) -> None:
        with self._sending:
            pipe = self._child.process.stdin
            if pipe is None or pipe.closed:
                raise BrokenPipeError
            wire.send(pipe.fileno(), message)

    def run(self, request: wire.Message, timeout: float | None, stop: threading.Event | None,
            stop_timeout: float | None, on_line: Callable[[str], None]) -> WorkerResult:
        """One body; whatever this raises but BodyFailed, the worker cannot be used again."""
        is_fine = False
        self._is_busy = True

        def say(line: str) -> None:
            self._said.append(line)
            on_line(line)

        self._output.on_line = say
        try:
            try:
                self._send(request)
            except OSError:
                raise self._never_began() from None
            answer = self._answer(request["target"], timeout, stop, stop_timeout)
            is_fine = True
        except BaseException:
            self._child.end(0)
            raise
        finally:
            self.is_usable = is_fine
            self.was_used = True
            self._is_busy = False
        if not self._at_end.acquire(timeout=LINGER):
            self.is_usable = False  # the body closed its output
        if "error" in answer:
            error = rebuilt(answer["error"], answer["ops"])
            error.usage = answer["usage"]
            raise error
        return WorkerResult(answer["value"], answer["other"], answer["ops"], Usage(**answer["usage"]))

    def _answer(self, target: str, timeout: float | None, stop: threading.Event | None,
                stop_timeout: float | None) -> wire.Message:
        give_up: float | None = None
        stop_at: float | None = None
        has_begun = is_told = False
        while True:
            try:
                message = self._replies.get(timeout=LOOK)
            except queue.Empty:
                pass
            else:
                if message is None:
                    raise self._died(target) if has_begun else self._never_began()
                if "begun" not in message:
                    return message
                has_begun = True
                give_up = time.monotonic() + timeout if timeout else None
            now = time.monotonic()
            if give_up is not None and now > give_up:
                self._end()
                raise StepTimeout(f"{target} took longer than its time-out of {timeout:g} s")
            if stop is not None and stop.is_set() and not is_told:
                is_told = True
                stop_at = now + stop_timeout if stop_timeout is not None else None
                with suppress(OSError):  # it is gone, which the next reply says
                    self._send({"stop": True})
            if stop_at is not None and now > stop_at:
                self._end()
                raise CutOff(f"{target} was asked to stop and did not within {stop_timeout:g} s: it was ended")

    def _end(self) -> None:
        self._child.end(PATIENCE)
        self._finish_output()

    def _died(self, target: str) -> CutOff:
        code = self._child.wait(PATIENCE)
        self._child.clear()
        self._finish_output()
        why = ""
        if code == -9:
            why = " (when memory runs out the system does that)"
        elif code is not None and code >= 0:
            why = " (something in it called os._exit, or ended the interpreter)"
        return CutOff(f"{target}: its worker process {spell_exit(code)} in the middle of it{why}")

    def _never_began(self) -> NotBegun:
        code = self._child.wait(PATIENCE)
        self._child.clear()
        self._finish_output()
        said = "\n".join(self._said)
        return NotBegun(f"it {spell_exit(code)}{f'; it said: {said}' if said else ''}")

    def _finish_output(self) -> None:
        if not self._output.join(LINGER):
            self._output.leave_behind()

    def close(self, patience: float = PATIENCE) -> None:
        """End it: an idle one by itself, one with a body by signals."""
        if self._is_busy:
            self._child.end(patience)
        with self._sending:
            pipe = self._child.process.stdin
            if pipe is not None and not pipe.closed:
                with suppress(OSError):
                    pipe.close()
        self._child.wait(patience)
        self._child.end(0)
        self._finish_output()
