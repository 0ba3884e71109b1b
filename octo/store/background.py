"""Work that is done a little later, beside the program: syncs of journals and rewrites of JSON files."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

Part = TypeVar("Part")
log = logging.getLogger("octo.store")


class Later:
    """One daemon thread that calls each scheduled function once, when it is due."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._thread: threading.Thread | None = None

    def schedule(self, key: Hashable, due: float, function: Callable[[], None]) -> None:
        """Call `function` at `due` (time.monotonic), unless `key` already waits for its call."""
        with self._changed:
            if key in self._due:
                return
            self._due[key] = (due, function)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def cancel(self, key: Hashable) -> None:
        """Forget what waits under `key`."""
        with self._changed:
            self._due.pop(key, None)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._due:
                    self._changed.wait()
                key, (due, function) = min(self._due.items(), key=lambda item: item[1][0])
                wait = due - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                del self._due[key]
            _run(function)

    def finish(self) -> None:
        """Do everything that waits, now and in this thread (the program ends)."""
        with self._changed:
            waiting, self._due = list(self._due.values()), {}
        for _, function in waiting:
            _run(function)


def breathing(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of a long piece of work, with a rest after each."""
    for part in parts:
        yield part
        rest()


def rest() -> None:
    """Let go of the interpreter for 0.3 ms. Else a running step waits up to 5 ms for it at each of its system calls."""
    time.sleep(0.0003)


def _run(function: Callable[[], None]) -> None:
    try:
        function()
    except Exception as error:  # nobody waits for it: say it, and let the next write meet the same fault
        log.warning("%s", error)


syncs = Later("octo-sync")
views = Later("octo-view")
atexit.register(syncs.finish)
atexit.register(views.finish)
