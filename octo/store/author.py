"""Who makes a change: the step whose method runs, or else the program.

The engine sets the author around each call of a step's method. Threads that a step starts do not
inherit the context, and programs that it starts know only their environment, so both are asked too.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT_NAME = "OCTO_CALL"


@dataclass(frozen=True)
class Author:
    """`who` is what people read; `call` is the number of the running call of a step's method (0: none)."""

    who: str
    visit: int = 0
    call: int = 0
    instance: Path | None = None

    def to_environment(self) -> str:
        """The value of OCTO_CALL for programs that a step starts."""
        return f"{self.visit}:{self.call}:{self.who}|{self.instance or ''}"


_current: ContextVar[Author | None] = ContextVar("octo_author", default=None)
_running: list[Author] = []
_running_lock = threading.Lock()


@contextmanager
def writing_as(author: Author) -> Iterator[Author]:
    """Make `author` the author of what this context (and, where it is the only one, this process) writes."""
    token = _current.set(author)
    with _running_lock:
        _running.append(author)
    try:
        yield author
    finally:
        left_behind(author)
        _current.reset(token)


def left_behind(author: Author) -> None:
    """What this process writes from now on is not its: its body has ended, or nobody waits for it any more."""
    with _running_lock, suppress(ValueError):
        _running.remove(author)


def running_step() -> Author | None:
    """The step that runs here: by context, else the only one of this process, else by the environment."""
    author = _current.get()
    if author is not None:
        return author
    with _running_lock:
        if len(_running) == 1:
            return _running[0]
        if _running:
            return None
    return _from_environment(os.environ.get(ENVIRONMENT_NAME, ""))


def current_instance() -> Path | None:
    """The instance of the step that runs here; None outside a step."""
    author = running_step()
    return author.instance if author else None


def program() -> str:
    """The program and its process number, such as `report.py[4711]`."""
    path = sys.argv[0] if sys.argv else ""
    if os.path.basename(path) == "__main__.py":  # python -m octo
        path = os.path.dirname(path)
    return f"{os.path.basename(path) or 'python'}[{os.getpid()}]"


def _from_environment(text: str) -> Author | None:
    head, bar, instance = text.rpartition("|")
    visit, _, rest = head.partition(":")
    call, _, who = rest.partition(":")
    if not (bar and visit.isdigit() and call.isdigit()):
        return None
    return Author(who, int(visit), int(call), Path(instance) if instance else None)
