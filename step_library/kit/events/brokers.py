"""Events between programs: what a broker does, the one in this process's memory, and which one a URL means."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fnmatch import fnmatchcase
from typing import Protocol

from octo.errors import OctoError
from octo.param import ParamError
from step_library.kit.net.environment import shown, with_secrets

Message = tuple[str, str]
"""The name of an event and its text."""

Next = Callable[[float], Message | None]
"""The next message within so many seconds; None where none came."""


class BrokerFailed(OctoError, ConnectionError):
    """The broker cannot be reached, or refuses; the message names it, without user and password."""

    def __str__(self) -> str:
        return self.message


class Broker(Protocol):
    """Where events go by name. For any number of threads."""

    def publish(self, name: str, text: str) -> int:
        """Give it to all who listen now; how many did."""

    def listening(self, names: Sequence[str]) -> AbstractContextManager[Next]:
        """Hear what is published under these names, or shell patterns, from now on."""

    def push(self, name: str, text: str, *, front: bool = False) -> int:
        """Keep it in the queue of that name until one takes it; how many wait there. `front`: it is the next."""

    def taking(self, names: Sequence[str]) -> AbstractContextManager[Next]:
        """Take from the queues of these names."""

    def close(self) -> None:
        """It is not used any more."""


def is_pattern(name: str) -> bool:
    """Whether a name is a shell pattern."""
    return any(letter in name for letter in "*?[")


def broker_of(url: str, timeout: float) -> Broker:
    """The broker of a URL: redis://, rediss://, unix:// or memory://NAME. `timeout`: seconds to reach it."""
    given, url = url, with_secrets(url, "broker_url")
    scheme = url.partition("://")[0]
    if scheme == "memory":
        return memory(url.partition("://")[2])
    if scheme in ("redis", "rediss", "unix"):
        from step_library.kit.events.redis_broker import RedisBroker

        return RedisBroker(url, timeout)
    raise ParamError(f"broker_url: {shown(given)} is no broker; there are redis://, rediss://, unix:// and memory://")


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
