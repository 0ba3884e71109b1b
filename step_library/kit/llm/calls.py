"""Calls on their way to a model: in threads, tried again, each try within its time.

The threads only call; all that is kept in ctx is written by the step's own thread, which waits here.
"""

from __future__ import annotations

import contextvars
import threading
import time
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from octo.engine.retry import Retry
from octo.errors import OctoError
from octo.executors.threads import ThreadPool
from step_library.kit.llm.backend import Backend, Reply, Request
from step_library.kit.llm.failures import LlmFailed, LlmStopped, LlmTimeout

GRACE = 2.0
"""Seconds beyond its time after which a try is given up that does not keep to it by itself."""
LOOK = 0.1
"""Seconds between two looks at whether the run is to stop."""


@dataclass
class Call:
    """One request on its way; once it has ended either `reply` or `error` is there."""

    number: int
    request: Request
    start: float = 0.0
    end: float = 0.0
    tries: int = 0
    reply: Reply | None = None
    error: Exception | None = None
    pieces: list[str] = field(default_factory=list)
    """What has come so far, where it is streamed."""
    until: float | None = None
    """When its present try is given up."""


class Calls:
    """Starts calls and hands them back as they end; used by one thread, closed at the end."""

    def __init__(self, backend: Backend, retry: Retry, timeout: float, stop: threading.Event, stream: bool) -> None:
        self._backend, self._retry, self._timeout, self._stop, self._stream = backend, retry, timeout, stop, stream
        self._pool = ThreadPool("octo-llm")
        self._done: SimpleQueue[Call] = SimpleQueue()
        self._closed = threading.Event()
        self.running: dict[int, Call] = {}

    def start(self, number: int, request: Request) -> None:
        """Send a request from a thread of its own."""
        call = self.running[number] = Call(number, request, start=time.time())
        context = contextvars.copy_context()
        self._pool.start(lambda each: context.run(self._work, each), call)

    def ended(self, wait: float) -> Call | None:
        """The next call that has ended, within `wait` seconds; LlmStopped as soon as the run is asked to stop."""
        until = time.monotonic() + wait
        while True:
            if self._stop.is_set():
                raise LlmStopped("the run was asked to stop while a reply was awaited")
            try:
                call: Call | None = self._done.get(timeout=max(0.0, min(LOOK, until - time.monotonic())))
            except Empty:
                call = self._given_up()
            if call is not None and self.running.get(call.number) is call:
                del self.running[call.number]
                return call
            if time.monotonic() >= until:
                return None

    def close(self) -> None:
        """What still runs counts for nothing; nothing is tried again."""
        self._closed.set()
        self._pool.close()

    def _given_up(self) -> Call | None:
        """A call that is far beyond its time, replaced by one that says so."""
        now = time.monotonic()
        for number, call in self.running.items():
            if call.until is not None and now > call.until + GRACE:
                late = Call(number, call.request, call.start, time.time(), call.tries, pieces=call.pieces)
                late.error = LlmTimeout(f"{self._backend.place}: no whole reply within {self._timeout:g} s"
                                        f"{_tried(late)}")
                self.running[number] = late
                return late
        return None

    def _work(self, call: Call) -> None:
        while True:
            call.tries += 1
            pieces: list[str] = []
            call.pieces = pieces
            call.until = time.monotonic() + self._timeout
            try:
                call.reply = self._backend.reply(call.request, self._timeout, pieces.append if self._stream else None)
                break
            except Exception as error:
                call.until = None
                wait = self._wait(error, call.tries)
                if wait is None or self._closed.wait(wait):
                    call.error = error
                    break
        call.until, call.end = None, time.time()
        if isinstance(call.error, LlmFailed):
            call.error.message += _tried(call)
        self._done.put(call)

    def _wait(self, error: Exception, made: int) -> float | None:
        """Seconds before the next try; None where there is none."""
        again = error.again if isinstance(error, LlmFailed) else not isinstance(error, OctoError)
        asked = (error.after if isinstance(error, LlmFailed) else None) or 0.0
        if not again or not self._retry.allows(error, made) or asked > self._retry.max_delay:
            return None
        return max(asked, self._retry.wait(made))


def _tried(call: Call) -> str:
    return f" (tried {call.tries} times)" if call.tries > 1 else ""
