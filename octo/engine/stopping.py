"""Stop requests: Ctrl-C and SIGTERM, heard for the length of a run.

The first one asks: the running method sees `ctx.stop` and the run pauses when it has ended. The second
one raises KeyboardInterrupt in the method. The handler itself only notes the request: what it interrupts
may hold any lock, so all else is done by a thread.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from octo.store import critical


class Stopping:
    """Handlers for the run; only where the engine runs in the main thread."""

    SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK")

    def __init__(self, on_request: Callable[[str], None]) -> None:
        self.event = threading.Event()
        self.requested = ""
        self.raises = False
        """Whether a second signal raises KeyboardInterrupt: in the walk, not while the end is written."""
        self.also: Callable[[], None] = lambda: None
        """Called with the first request too, in a thread of its own."""
        self._on_request = on_request
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            _in_force.append(self)
            for name in self.SIGNALS:
                number = getattr(signal, name, None)
                if number is not None:
                    self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        if self in _in_force:
            _in_force.remove(self)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.requested = signal.Signals(number).name
            _thread.start_new_thread(self._announce, ())
        elif self.raises:
            critical.raise_outside(KeyboardInterrupt())

    def _announce(self) -> None:
        self.event.set()
        self.also()
        self._on_request(self.requested)


_in_force: list[Stopping] = []
_mask = threading.local()


def _before_fork() -> None:
    """A signal that reached the child before its handlers are back would be forgotten: it waits until then.

    As when a pool ends its workers at once: it would wait for ever for the one that had just been forked.
    """
    if _in_force:
        numbers = {getattr(signal, name) for name in Stopping.SIGNALS if hasattr(signal, name)}
        _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)


def _after_fork() -> None:
    before = _mask.__dict__.pop("before", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _after_fork_in_child() -> None:
    """A worker that a step forked is not the run: a signal ends it as it would without one.

    A handler could not see to that: it waits until the main thread has something to do.
    """
    for stopping in list(_in_force):
        stopping.__exit__()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
