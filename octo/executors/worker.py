"""A worker: `python -m octo.executors.worker`, started by `Workers`, runs bodies until the engine is gone.

It is started afresh, so it shares nothing with the engine but pipes: requests come by what was its stdin, replies
go by what was its stdout, and what bodies print, also by programs that they start, goes by its stderr.
"""

from __future__ import annotations

import atexit
import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from octo.executors import wire

LOOK = 1.0
"""Seconds between two looks whether the engine lives."""

LAST_RESPECTS = 2.0
"""Seconds for an idle worker's exit handlers when the engine is gone."""


def take_over_streams() -> tuple[int, int]:
    """Requests and replies get descriptors of their own; a body's stdin is empty, its stdout goes with its stderr."""
    requests, replies = os.dup(0), os.dup(1)  # not inherited by programs that a body starts
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    return requests, replies


def end_with_children() -> None:
    """End this process and all that it started, at once."""
    if sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)
    import psutil

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            process.kill()
    os._exit(1)


class Listener:
    """Hears the engine in a thread, also while a body runs: the next body, a stop request, and its end."""

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._engine = os.getppid()
        self._bodies: queue.SimpleQueue[tuple[wire.Message, threading.Event] | None] = queue.SimpleQueue()
        self._is_busy = False
        self._messages = wire.messages(requests)
        self.start = next(self._messages, None)
        """The first message: where the instance is, and what the path is. None: the engine is gone."""
        threading.Thread(target=self._listen, name="octo-listener", daemon=True).start()

    def next(self) -> tuple[wire.Message, threading.Event] | None:
        """The next body and its stop event; None when the engine is gone."""
        return self._bodies.get()

    def done(self) -> None:
        """The body's reply is about to be sent."""
        self._is_busy = False

    def _listen(self) -> None:
        if sys.platform != "win32":
            threading.Thread(target=self._watch, name="octo-watch", daemon=True).start()
        stop = threading.Event()
        for message in self._messages:
            if "stop" in message:
                stop.set()
            else:
                stop = threading.Event()
                self._is_busy = True
                self._bodies.put((message, stop))
        self._leave()

    def _watch(self) -> None:
        """End with the engine, even where a process that it forked holds the pipe open."""
        while os.getppid() == self._engine:
            time.sleep(LOOK)
        self._leave()

    def _leave(self) -> None:
        if self._is_busy:
            end_with_children()
        self._bodies.put(None)
        time.sleep(LAST_RESPECTS)
        end_with_children()


def main() -> None:
    """Run bodies until the engine is gone."""
    here = os.getcwd()  # Octo's own place, so that it is found whatever lies where the run was started
    requests, replies = take_over_streams()
    atexit.register(_last, os.getpid())  # registered first, so called last
    os.write(replies, wire.GREETING)
    listener = Listener(requests)
    if listener.start is None:
        return
    from octo.executors.workbench import Workbench

    bench = Workbench(listener.start, here)
    while (body := listener.next()) is not None:
        request, stop = body
        answer = bench.run(request, stop, lambda: wire.send(replies, {"begun": True}))
        bench.end_output()
        listener.done()
        _reply(replies, answer)
    sys.stdout.flush()
    sys.stderr.flush()


def _last(worker: int) -> None:
    if os.getpid() == worker:  # not a process that a body has forked
        end_with_children()


def _reply(replies: int, answer: dict[str, Any]) -> None:
    with suppress(OSError):  # the engine is gone, and the listener sees to that
        wire.send(replies, answer)


if __name__ == "__main__":
    main()
