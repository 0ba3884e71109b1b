"""Threads for steps that run side by side: daemons, so that a body that never ends holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class ThreadPool:
    """Starts each function at once, in a thread that has nothing to do or in a new one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._work: SimpleQueue[tuple[Callable[..., None], Any] | None] = SimpleQueue()
        self._idle = 0
        self._count = 0
        self._closed = False

    def start(self, function: Callable[..., None], argument: Any) -> None:
        """Call `function(argument)`; it has to see to its own exceptions."""
        with self._lock:
            is_new = self._idle == 0
            if is_new:
                self._count += 1
            else:
                self._idle -= 1
        self._work.put((function, argument))
        if is_new:
            threading.Thread(target=self._run, name=f"{self._name}-{self._count}", daemon=True).start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            function, argument = work
            function(argument)
            del function, argument, work
            with self._lock:
                if self._closed:
                    return
                self._idle += 1

    def close(self) -> None:
        """Threads that have nothing to do end, the others when they have done what they do."""
        with self._lock:
            self._closed = True
            for _ in range(self._idle):
                self._work.put(None)
            self._idle = 0
