"""Keeps an exception that a signal handler must raise out of the middle of a store call.

A handler that raises between two lines of a commit could leave the lock taken. `raise_outside` waits
until the main thread has left the store; Octo's own handlers use nothing else.
"""

from __future__ import annotations

import threading

_state = threading.local()


def level() -> int:
    """How many store calls this thread is inside of."""
    return getattr(_state, "level", 0)


def enter() -> None:
    """This thread is inside one more from now on."""
    _state.level = level() + 1


def back_to(before: int) -> None:
    """It is inside of `before` again; what was held back is raised when it has left the outermost."""
    _state.level = before
    if before == 0:
        pending, _state.pending = getattr(_state, "pending", None), None
        if pending is not None:
            raise pending


def raise_outside(error: BaseException) -> None:
    """Raise `error` in this thread: now, or as soon as it is outside the store."""
    if level():
        _state.pending = error
    else:
        raise error
