"""One visit of a node, from ENTER to the arrow that leaves it.

    ENTER -> EXECUTE -> EXIT -> ADVANCE -> JUMP

Each transition is recorded before the method that it names is called, and that record commits the call
before it. Transitions with no code of the user's between them are one record: a node that brings only
`step_execute` costs one record a visit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octo.errors import OctoError, StepTimeout
from octo.store import GLOBAL, MISSING, Author, Transaction
from octo.store.state_file import StateFile
from octo.store.undo import undo_call

from . import breakpoints
from .body import Body
from .counting import StepCount
from .ending import Ending, Tally
from .events import Events
from .failure import describe
from .graph import COMPLETE, FAILURE_ARROW, Graph, NodeSpec
from .node import overrides
from .plan import GraphWalk
from .position import ADVANCE, ENTER, EXECUTE, EXIT, INACTIVE, JUMP, Position, Recorder
from .retry import Retry
from .stopping import Stopping
from .walk import ENGINE

METHODS = {ENTER: "step_entry", EXECUTE: "step_execute", EXIT: "step_exit", ADVANCE: "step_advance"}


class Lifecycle:
    """Takes the current visit through its states; `walk` does that until the run ends or pauses."""

    def __init__(self, file: StateFile, graph: Graph, first: str, position: Position, events: Events,
                 stopping: Stopping, tally: Tally, *, instance: Path, directory: str, verbose: bool,
                 abandon: Callable[[Ending], None]) -> None:
        self.file, self.graph, self.first = file, graph, first
        self.position, self.events, self.stopping, self.tally = position, events, stopping, tally
        self.instance, self.directory, self.verbose = instance, directory, verbose
        self.plan = GraphWalk(graph)
        self.recorder = Recorder(position, graph)
        self.count = StepCount(file, position.counted)
        self.error: dict[str, Any] | None = None
        self._abandon = abandon
        self._call = 0
        """The open call, to be committed by the next record."""
        self._executed = self._left = self._recorded = False
        self._resumed = False
        self._failed_before = False
        self._notes: list[Callable[[Transaction], None]] = []
        self._unwritten: dict[str, float] = {}
        self._seconds_written = 0.0

    def walk(self, *, resumed: bool, failed_before: bool) -> Ending:
        """Visit node after node.

        `resumed`: the first call was begun before. `failed_before`: it ended in an error.
        """
        self._resumed, self._failed_before = resumed, failed_before
        ending = None
        try:
            self.stopping.raises = True
            while ending is None:
                ending = self._visit()
        except KeyboardInterrupt:
            ending = self._interrupted()
        finally:
            self.stopping.raises = False
        return ending

    # -- one visit -------------------------------------------------------------------------------

    def _visit(self) -> Ending | None:
        position = self.position
        spec = self.graph.nodes[position.node]
        if position.state == JUMP:
            return self._jump(spec, position.arrow, position.next)
        self.body = Body(spec, self.file, self.instance, self.directory, self.stopping.event, self.verbose,
                         continued=self._resumed or position.state != ENTER)
        self._recorded = False
        if position.state != ENTER:
            self.events.tell("step_entered", spec.name, position.visit, resumed=True)
        while True:
            state = position.state
            if not position.begun and (ending := self._pause(spec, state)):
                return ending
            outcome = self._state(spec, state)
            if outcome == "visit over":
                return None
            if isinstance(outcome, Ending):
                return outcome

    def _state(self, spec: NodeSpec, state: str) -> Ending | str | None:
        """Do what `state` names and move the position on; an Ending, or "visit over"."""
        if state == ENTER:
            if not self._resumed and not self.position.retries:
                self._notes.append(self.fill_groups)
            self.events.tell("step_entered", spec.name, self.position.visit, resumed=self._resumed)
            if overrides(spec.cls, "step_entry") and not self._succeeds(spec, ENTER):
                return self._after_failure
            self._move_to(EXECUTE)
        elif state == EXECUTE:
            return self._execute(spec)
        elif state == EXIT:
            if overrides(spec.cls, "step_exit") and not self._succeeds(spec, EXIT):
                return self._after_failure
            self.events.tell("step_exited", spec.name, self.position.visit)
            self._move_to(ADVANCE)
        else:
            return self._advance(spec)
        return None

    def _execute(self, spec: NodeSpec) -> Ending | str | None:
        started = time.perf_counter()
        if not spec.skip_execute:
            if not self._succeeds(spec, EXECUTE):
                return self._after_failure
            self._executed = True
            self.tally.steps += 1
        seconds = time.perf_counter() - started
        self.tally.count(spec.name, seconds)
        self._unwritten[spec.name] = self._unwritten.get(spec.name, 0.0) + seconds
        self.events.tell(
            "step_executed", spec.name, self.position.visit, seconds=seconds, skipped=spec.skip_execute
        )
        self._move_to(EXIT)
        return None

    def _advance(self, spec: NodeSpec) -> Ending | str | None:
        answer: Any = MISSING
        if overrides(spec.cls, "step_advance"):
            self._answer: Any = MISSING
            if not self._succeeds(spec, ADVANCE):
                return self._after_failure
            answer = self._answer
        try:
            key = self.plan.only_arrow(spec) if answer is MISSING else answer
            target = self.plan.target(spec, key)
        except OctoError as error:
            return self._fails(spec, ADVANCE, error)
        self._has_succeeded()
        return self._jump(spec, key, target) or "visit over"

    def _jump(self, spec: NodeSpec, key: str, target: str) -> Ending | None:
        """Follow the arrow: the rest of this visit and the entry of the next are one record."""
        position, source = self.position, spec.name
        if target:
            try:
                self.plan.check_enter(target)
            except OctoError as error:
                self._leave_by(key, target)
                return self._fails_to_enter(spec, error)
        self._note_arrow(source, key, target)
        self.events.tell("arrow_taken", source, position.visit, key=key, target=target)
        self._left = True
        if not target:
            position.arrow, position.next = key, ""
            position.rest(INACTIVE)
            return Ending("COMPLETE_SUCCESS", "completed", [f"{source} ended the graph"])
        position.enter(target)
        if target == self.first:
            self.tally.loops += 1
            self._notes.append(lambda tx: tx.increment((GLOBAL, "run_loop_count"), 1))
        if not self._recorded:  # a visit without any code of the user's
            self.record()
        return None

    def _leave_by(self, key: str, target: str) -> None:
        """The arrow is chosen, and is not asked for again."""
        self.position.rest(JUMP)
        self.position.arrow, self.position.next = key, target

    def _note_arrow(self, source: str, key: str, target: str) -> None:
        self._notes.append(lambda tx: tx.increment(("engine", "taken", source, key, target or COMPLETE), 1))

    # -- records ---------------------------------------------------------------------------------

    def _move_to(self, state: str) -> None:
        self.position.state, self.position.begun, self.position.retries = state, False, 0

    def record(self, engine_state: str = "RUNNING", *, begin: bool = False,
               more: Callable[[Transaction], None] | None = None) -> None:
        """Write the position with all that waits for the next record, and commit the open call."""
        self._recorded = True
        with self.file.transaction(ENGINE, later=True) as tx:
            self._commit(tx)
            self.recorder.write(tx, engine_state)
            notes, self._notes = self._notes, []
            for note in notes:
                note(tx)
            self._write_seconds(tx, now=not begin)
            if more is not None:
                more(tx)
            if begin:
                tx.flags["begin"] = True
                self._call = self.file.journal.seq + 1
                self.count.begin(tx)

    def _write_seconds(self, tx: Transaction, *, now: bool) -> None:
        """How long each node took, for people: not worth a change in every record."""
        clock = time.monotonic()
        if now or clock - self._seconds_written > 0.25:
            for node, seconds in self._unwritten.items():
                tx.increment(("engine", "seconds", node), round(seconds, 6))
            self._unwritten, self._seconds_written = {}, clock

    def _commit(self, tx: Transaction) -> None:
        if self._call:
            tx.flags["end"] = self._call
            self.count.end(tx, self._call)
            self._call = 0
        if self._executed:
            self.count.executed(tx)
        if self._left:
            self.count.left(tx)
        self._executed = self._left = False
        self.position.counted = self.count.own

    def fill_groups(self, tx: Transaction) -> None:
        """A new visit: its count, its node's fingerprint, and first values where keys are missing."""
        spec = self.graph.nodes[self.position.node]
        mark = self.graph.fingerprint(spec.name)
        tx.increment(("engine", "visits", spec.name), 1)
        if tx.peek(("engine", "fingerprints", spec.name), None) != mark:
            tx.set(("engine", "fingerprints", spec.name), mark)
        for group, values in [*spec.params_init.items(), *spec.results_init.items()]:
            for key, value in values.items():
                if tx.peek((group, key), MISSING) is MISSING:
                    tx.set((group, key), value)

    # -- calls -----------------------------------------------------------------------------------

    def _succeeds(self, spec: NodeSpec, state: str) -> bool:
        """Call the method of `state`, again as its retry says.

        False when it failed for good; what comes then is in `_after_failure`.
        """
        while True:
            self.position.begin(state)
            self.record(begin=True)
            if state == EXECUTE and self.file.durability == "step":
                self.file.sync()
            resumed, self._resumed = self._resumed, False
            author = Author(spec.name, self.position.visit, self._call, self.instance)
            try:
                self._answer = self.body.call(METHODS[state], author, resumed=resumed,
                                              abandon=lambda error: self._abandoned(spec, state, error))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # SystemExit too, and what asyncio raises
                if isinstance(error, StepTimeout):
                    self.body.renew()
                again = self._fails(spec, state, error)
                if again != "retry":
                    self._after_failure = again
                    return False
                continue
            self._has_succeeded()
            return True

    def _has_succeeded(self) -> None:
        """What failed before has not failed now."""
        if self.error is not None or self._failed_before:
            self.error, self._failed_before = None, False
            self._notes.append(_clear_error)

    def _fails(self, spec: NodeSpec, state: str, error: BaseException) -> Ending | str:
        """Undo the call and record the error.

        "retry" after the delay, "visit over" by the failure arrow, else the end.
        """
        position, retry = self.position, Retry.of(spec.retry)
        can_go_on = state in (ENTER, EXECUTE, EXIT)
        will_retry = can_go_on and retry.allows(error, position.retries + 1)
        target = self.plan.failure_target(spec) if can_go_on and not will_retry else None
        stopped = bool(self.stopping.requested) and (will_retry or target is not None)
        if stopped:  # who asked to stop decides what becomes of it
            will_retry, target = False, None
        position.retries += 1
        self.error = describe(spec, state, error, position.visit)
        delay = retry.wait(position.retries) if will_retry else 0.0
        self._tell_failure(attempt=position.retries, attempts=retry.attempts, will_retry=will_retry,
                           delay=delay, arrow=FAILURE_ARROW if target else "")
        if will_retry or stopped:
            position.begun = False
            self._record_failure("RUNNING")
            return (self._pause(spec, state) if stopped else self._wait(spec, state, delay)) or "retry"
        if target is not None:
            self._leave_by(FAILURE_ARROW, target)
            self._record_failure("RUNNING")
            self.error = None
            return self._jump(spec, FAILURE_ARROW, target) or "visit over"
        position.begun = True
        return self._end_in_error(spec, state)

    def _tell_failure(self, *, attempt: int = 1, attempts: int = 1, will_retry: bool = False,
                      delay: float = 0.0, arrow: str = "") -> None:
        assert self.error is not None
        self.events.tell("step_failed", self.error["node"], self.position.visit, error=self.error,
                         attempt=attempt, attempts=attempts, will_retry=will_retry, delay=delay, arrow=arrow)

    def _fails_to_enter(self, spec: NodeSpec, error: BaseException) -> Ending:
        self.error = describe(spec, JUMP, error, self.position.visit)
        self._tell_failure()
        return self._end_in_error(spec, JUMP)

    def _end_in_error(self, spec: NodeSpec, state: str) -> Ending:
        assert self.error is not None
        self._record_failure("COMPLETE_ERROR")
        return Ending(
            "COMPLETE_ERROR",
            "error",
            [f"{self.error['type']} in {METHODS.get(state, state)} of {spec.name}: {self.error['message']}"],
        )

    def _record_failure(self, engine_state: str) -> None:
        """One record: the call undone and fenced, the error, the position."""
        call, error = self._call, self.error
        assert error is not None

        def fail(tx: Transaction) -> None:
            if call:
                error["ctx_undone"] = undo_call(tx, self.file.lines_since, call, "ctx")
                tx.flags["fence"] = call
            tx.set((GLOBAL, "last_error"), error)

        self.record(engine_state, more=fail)

    def _wait(self, spec: NodeSpec, state: str, delay: float) -> Ending | str:
        if self.stopping.event.wait(delay):
            return self._pause(spec, state) or "retry"
        return "retry"

    def _abandoned(self, spec: NodeSpec, state: str, error: BaseException) -> None:
        """A body that outlives every StepTimeout: write the error and end the process."""
        self.error = describe(spec, state, error, self.position.visit)
        self._tell_failure()
        self._record_failure("COMPLETE_ERROR")
        self._abandon(
            Ending("COMPLETE_ERROR", "error", [f"{spec.name}: {error}; its body could not be ended"])
        )

    # -- pauses ----------------------------------------------------------------------------------

    def _pause(self, spec: NodeSpec, state: str) -> Ending | None:
        """Stop before the method of `state`, where a breakpoint, a limit or a stop request says so."""
        where = {ENTER: "entry", ADVANCE: "exit"}.get(state)
        found: list[tuple[str, str]] = []
        if self.stopping.requested:
            found.append(("signal", self.stopping.requested))
        if state == ENTER:
            found += [("limit", text) for text in self.tally.limits_reached()]
        if where and where not in self.position.passed and self._has_breakpoint(spec, where):
            self.position.passed = [*self.position.passed, where]
            self.events.tell("breakpoint_hit", spec.name, self.position.visit, where=where)
            found.append(("breakpoint", f"breakpoint at {where} of {spec.name}"))
        if not found:
            return None
        return Ending(
            "PAUSED", ",".join(dict.fromkeys(kind for kind, _ in found)), [text for _, text in found]
        )

    def _has_breakpoint(self, spec: NodeSpec, where: str) -> bool:
        return bool(
            self.file.look((breakpoints.GROUP,), lambda group: breakpoints.is_set(group, spec, where))
        )

    def _interrupted(self) -> Ending:
        """The second Ctrl-C: the call stays open; the next run undoes it and begins it again."""
        with self.file.reading() as tree:  # it may have come between a change of the position and its record
            stored = Position.read(tree.root)
        vars(self.position).update(vars(stored))
        where = METHODS.get(stored.state, stored.state) + f" of {stored.node}"
        return Ending(
            "PAUSED",
            "signal",
            [f"{self.stopping.requested or 'KeyboardInterrupt'}, at once, in {where}"],
            at_once=True,
        )


def _clear_error(tx: Transaction) -> None:
    if tx.peek((GLOBAL, "last_error"), MISSING) is not MISSING:
        tx.delete((GLOBAL, "last_error"))
