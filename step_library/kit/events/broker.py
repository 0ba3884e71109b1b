"""Events between programs: what a broker does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from octo.errors import OctoError

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
