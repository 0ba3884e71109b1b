"""One attempt of a unit of a plan: the record that begins it, the handle on ctx that it gets, its body.

The record is written before the body is called. What a body does once its attempt is over counts no more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from octo.access import Access
from octo.context import Context
from octo.errors import AttemptEnded
from octo.store import Author, Transaction, writing_as
from octo.store.author import ENVIRONMENT_NAME, left_behind

from .dag import Unit
from .dag_state import PlanState
from .ending import Ending
from .graph import StepSpec
from .step_book import FAILED, RUNNING, STOPPED, WAITING, place_of, shown_name, write
from .timeout import call_within
from .walk import ENGINE
from .work import Call


class Attempt:
    """What every attempt of a unit has, and the newest one. Used by one thread."""

    def __init__(self, walk: PlanState, unit: Unit, spec: StepSpec, visit: int) -> None:
        self.walk, self.unit, self.spec, self.visit = walk, unit, spec, visit
        self.name = shown_name(spec.name, unit.item)
        self.file = walk.file
        self.stop = walk.frame.stopping.event
        self.entry: dict[str, Any] = {}
        self.call = 0
        self.calls: list[int] = []
        """The calls whose effect on ctx stands."""
        self.attempt = 0
        self.started = time.time()
        self.kept: list[Any] = []
        """What failed attempts had done before a checkpoint of theirs."""
        self.usage: dict[str, Any] = {}
        """What its body used, as far as that is known."""
        self.access: Access | None = None
        self.is_left = False
        """Its body was left behind: however it ends, nobody is told."""
        self.resumed = False

    def take_over(self) -> dict[str, Any]:
        """What stands in the file of earlier parts of the run; a copy."""
        there: dict[str, Any] = self.file.look(place_of(self.spec.name, self.unit.item),
                                               lambda found: dict(found) if isinstance(found, dict) else {})
        self.entry = {key: there[key] for key in ("reason", "item") if key in there}
        self.calls = list(there.get("calls", ()))
        self.resumed = there.get("status") == RUNNING
        return there

    @staticmethod
    def made(before: dict[str, Any]) -> int:
        """How many tries there were before this run; a failure for good begins anew."""
        attempt = before.get("attempt", 0) if type(before.get("attempt", 0)) is int else 0
        if before.get("status") == RUNNING:
            return max(attempt - 1, 0)
        return attempt if before.get("status") == WAITING else 0

    def author(self, call: int) -> Author:
        return Author(self.name, self.visit, call, self.walk.frame.instance)

    def is_over(self) -> bool:
        """Whether the run has ended without it: it writes nothing more. The caller holds the lock."""
        return self.walk.at_once or self.is_left

    def refuse_once_over(self) -> None:
        if self.is_over():
            raise AttemptEnded(f"{self.name}: the run ended before it began")

    # -- the record, the body ----------------------------------------------------------------------

    def begin(self, attempt: int) -> None:
        """The record before the work is called."""
        walk, spec = self.walk, self.spec
        started = time.time()
        with walk.lock:
            self.refuse_once_over()
            with self.file.transaction(ENGINE, self.author(0), later=True) as tx:
                walk.write_pending(tx)
                entry = {"status": RUNNING, "attempt": attempt, "start": started, **self.entry, "visit": self.visit}
                if self.calls:
                    entry["calls"] = self.calls
                write(tx, spec.name, self.unit.item, entry, fans_out=spec.fans_out)
                tx.set(("engine", "visit"), self.visit)
                walk.show_running(tx)
                self.call = 0 if spec.background else self.open_call(tx)
        self.attempt, self.started = attempt, started
        if self.file.durability == "step":
            self.file.sync()

    def open_call(self, tx: Transaction) -> int:
        """This record begins a call, which has its number."""
        tx.flags["begin"] = True
        call = self.file.journal.seq + 1
        if self.spec.parallel:
            self.file.touched.follow(call)
        return call

    def work(self, attempt: int) -> Any:
        """Call the body."""
        author = self.author(self.call)
        access = self.access = Access(self.file, author, self.stop, tracked=self.spec.parallel)
        resumed, self.resumed = self.resumed, False
        self.current = self.new_call(access, author, attempt, resumed)
        self.refuse_once_over()  # who left it before there was an access does not do so again
        # A program that a body starts by itself cannot know in which of several steps' name it writes.
        alone = not self.spec.parallel and not self.spec.background
        if alone:
            os.environ[ENVIRONMENT_NAME] = author.to_environment()
        try:
            with writing_as(author):
                return self.spec.work.run(self.current)
        finally:
            access.closed = True
            if alone:
                os.environ.pop(ENVIRONMENT_NAME, None)
                _go_back_to(self.walk.frame.directory)

    def new_call(self, access: Access, author: Author, attempt: int = 1, resumed: bool = False) -> Call:
        return Call(self.spec, self.name, Context.on(access), author, self.stop, self._within,
                    partial(self.walk.frame.log.say, step=self.name), self.unit.item, self.entry.get("item"),
                    attempt, resumed)

    def looking(self) -> Call:
        """A handle that only reads."""
        author = self.author(0)
        access = Access(self.file, author, self.stop)
        access.closed = True
        return self.new_call(access, author)

    # -- a body that does not end ------------------------------------------------------------------

    def _within(self, seconds: float | None, function: Callable[[], Any]) -> Any:
        return call_within(seconds, function, self._abandoned, self.name)

    def leave(self) -> None:
        """Its thread is left behind: what it still does counts no more."""
        if self.access is not None:
            self.access.closed = True
            left_behind(self.access.author)

    def abandon(self) -> None:
        """A background body that does not stop: the run ends without it."""
        self.leave()
        with self.walk.lock:
            self.is_left = True
            with self.file.transaction(ENGINE, later=True) as tx:
                self.walk.write_pending(tx)
                write(tx, self.spec.name, self.unit.item,
                      {"status": STOPPED, "attempt": self.attempt, "start": self.started, "end": time.time(),
                       **self.entry, "visit": self.visit, "reason": "it did not stop in time and was left behind"},
                      fans_out=self.spec.fans_out)

    def _abandoned(self, error: BaseException) -> None:
        """A body that outlives every StepTimeout: write the error and end the process."""
        self.record_failure(error, FAILED)
        self.walk.frame.abandon(
            Ending("COMPLETE_ERROR", "error", [f"{self.name}: {error}; its body could not be ended"]))

    def record_failure(self, error: BaseException, status: str) -> dict[str, Any]:
        """Undo the attempt and write its error."""
        raise NotImplementedError


def _go_back_to(directory: str) -> None:
    """To the steps' working directory, for the next step, where a body has left it."""
    here = ""
    with suppress(FileNotFoundError):  # the body has removed where it was
        here = os.getcwd()
    if here != directory:
        os.chdir(directory)
