"""A time limit for one call: by an alarm in the main thread, else in a thread that can be left behind."""

from __future__ import annotations

import _thread
import contextvars
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from octo.errors import StepTimeout
from octo.store import critical

INSISTENCE = 5
"""How often, a second apart, StepTimeout is raised in a body that swallows it."""

PATIENCE = 30
"""Seconds after which the process of such a body ends in any case."""


def call_within(
    seconds: float | None, function: Callable[[], Any], abandon: Callable[[StepTimeout], None],
    name: str = "step_execute",
) -> Any:
    """Call `function`; StepTimeout when it, called `name` there, takes longer than `seconds`.

    `abandon` is called, in a thread of its own, where a body outlives every StepTimeout raised in it: it
    writes the error and ends the process.
    """
    if not seconds:
        return function()
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        return _with_alarm(seconds, function, abandon, name)
    return _in_thread(seconds, function, name)


def _error(seconds: float, name: str) -> StepTimeout:
    return StepTimeout(f"{name} took longer than its time-out of {seconds:g} s")


def _with_alarm(
    seconds: float, function: Callable[[], Any], abandon: Callable[[StepTimeout], None], name: str
) -> Any:
    raised = 0
    over = False

    def heard(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if over and raised <= INSISTENCE:
            return
        raised += 1
        if raised <= INSISTENCE:
            critical.raise_outside(_error(seconds, name))
        elif raised == INSISTENCE + 1:  # in a thread: what is interrupted here may hold any lock
            _thread.start_new_thread(abandon, (_error(seconds, name),))
        elif raised > INSISTENCE + PATIENCE:  # it holds the very lock that is needed to write the error
            os._exit(1)

    before = signal.signal(signal.SIGALRM, heard)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
        try:
            result = function()
        finally:
            over = True
    except Exception as error:
        if not raised or isinstance(error, StepTimeout):
            raise
        raise _error(seconds, name) from error  # it made another error of the time-out
    finally:
        over = True  # again: an alarm in the inner `finally` may have kept it from being said
        while raised > INSISTENCE:  # `abandon` is ending the process
            time.sleep(1)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if raised:  # it swallowed the exception and came back late
        raise _error(seconds, name)
    return result


def _in_thread(seconds: float, function: Callable[[], Any], name: str) -> Any:
    outcome: list[Any] = []
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome[:] = [context.run(function), None]
        except BaseException as error:
            outcome[:] = [None, error]

    thread = threading.Thread(target=work, name="octo-step", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise _error(seconds, name)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]
