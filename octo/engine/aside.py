"""What is done beside the steps of a plan, such as their hooks: a call of its own, whose failure is a warning."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from octo.access import Access
from octo.store import Author, writing_as
from octo.store.undo import undo_call

from .attempt import Attempt
from .dag import Unit
from .dag_state import PlanState
from .retry import Retry
from .walk import ENGINE
from .work import Call

log = logging.getLogger("octo.engine")


def aside(walk: PlanState, who: str, function: Callable[[Call], Any], run: Attempt | None = None,
          retry: dict[str, Any] | None = None) -> None:
    """Do something beside the steps, each try as a call of its own. A failure is undone, and a warning."""
    tries = Retry.of(retry)
    made = 1
    while (problem := _once(walk, who, function, run)) is not None and tries.allows(problem, made):
        if walk.frame.stopping.event.wait(tries.wait(made)):
            break
        made += 1
    if problem is not None:
        log.warning("%s failed: %s: %s", who, type(problem).__name__, problem)


def _once(walk: PlanState, who: str, function: Callable[[Call], Any], run: Attempt | None) -> BaseException | None:
    """What it failed with, if it did."""
    with walk.lock:
        if walk.at_once:
            return None
        with walk.file.transaction(ENGINE, later=True) as tx:
            walk.write_pending(tx)
            tx.flags["begin"] = True
            call = walk.file.journal.seq + 1
    author = Author(who, walk.visit if run is None else run.visit, call, walk.frame.instance)
    of_step = run is not None
    run = run or Attempt(walk, Unit(0), walk.steps[0], walk.visit)
    access = run.access = Access(walk.file, author, run.stop)
    problem: BaseException | None = None
    try:
        with writing_as(author):
            function(run.new_call(access, author))
    except BaseException as error:  # SystemExit too
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        problem = error
    finally:
        access.closed = True
    with walk.lock:
        if walk.at_once:  # the next run undoes it
            return None
        _end(walk, call, run.spec.name if of_step else "", problem)
    return problem


def _end(walk: PlanState, call: int, step: str, problem: BaseException | None) -> None:
    with walk.file.transaction(ENGINE, later=True) as tx:
        tx.flags["end"] = call
        if problem is not None:
            undo_call(tx, walk.file.lines_since, call, "ctx")
            tx.flags["fence"] = call
        elif step:  # undone with the step, if ever that is
            tx.append(("engine", "hooks", step), [call])
