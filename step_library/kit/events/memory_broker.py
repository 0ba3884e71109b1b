"""Events between the threads of one process, without a server."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

from step_library.kit.events.broker import Message, Next


class MemoryBroker:
    """The same for the threads of one process, without a server: for tests, and for a run of its own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._listeners: list[tuple[list[str], queue.SimpleQueue[Message]]] = []
        self._queues: dict[str, deque[str]] = {}

    def publish(self, name: str, text: str) -> int:
        with self._changed:
            found = [each for names, each in self._listeners if any(fnmatchcase(name, wanted) for wanted in names)]
            for each in found:
                each.put((name, text))
        return len(found)

    @contextmanager
    def listening(self, names: Sequence[str]) -> Iterator[Next]:
        mine: queue.SimpleQueue[Message] = queue.SimpleQueue()
        entry = (list(names), mine)
        with self._changed:
            self._listeners.append(entry)

        def next_one(seconds: float) -> Message | None:
            try:
                return mine.get(timeout=seconds) if seconds > 0 else mine.get_nowait()
            except queue.Empty:
                return None

        try:
            yield next_one
        finally:
            with self._changed:
                self._listeners = [each for each in self._listeners if each is not entry]

    def push(self, name: str, text: str, *, front: bool = False) -> int:
        with self._changed:
            waiting = self._queues.setdefault(name, deque())
            (waiting.appendleft if front else waiting.append)(text)
            self._changed.notify_all()
            return len(waiting)

    @contextmanager
    def taking(self, names: Sequence[str]) -> Iterator[Next]:
        def next_one(seconds: float) -> Message | None:
            give_up = time.monotonic() + seconds
            with self._changed:
                while True:
                    for name in names:
                        if self._queues.get(name):
                            return name, self._queues[name].popleft()
                    left = give_up - time.monotonic()
                    if left <= 0:
                        return None
                    self._changed.wait(left)

        yield next_one

    def close(self) -> None:
        pass


_memories: dict[str, MemoryBroker] = {}
_lock = threading.Lock()


def memory(name: str) -> MemoryBroker:
    """The one of that name in this process."""
    with _lock:
        return _memories.setdefault(name, MemoryBroker())
