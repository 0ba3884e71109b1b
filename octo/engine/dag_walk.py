"""The walk over a plan of steps: starts what may start, in this thread or beside it, until nothing is left.

A step that runs alone runs in the engine's own thread; parallel steps in a pool of threads. A thread that has ended
a step looks for the next one itself.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from octo.access import Access
from octo.errors import OctoError
from octo.executors.threads import ThreadPool
from octo.store import GLOBAL, MISSING, Author, Transaction, writing_as
from octo.store.author import ENVIRONMENT_NAME
from octo.store.state_file import StateFile
from octo.store.undo import since_checkpoints, undo_call, undo_calls

from . import breakpoints
from .attempt import Attempt
from .background import Background
from .clash import Clashes, Writes
from .dag import Dag, Limits, Unit
from .ending import Ending
from .graph import Graph, StepSpec
from .order import Order
from .position import put
from .step_book import GROUP, LEFT_OUT, RUNNING, WAITING, place_of, show_running, shown_name
from .unit import Fan, UnitRun
from .walk import ENGINE, Frame, Walk, Where
from .work import Call
from .written import kept_by_checkpoint, standing

log = logging.getLogger("octo.engine")

_HEAR = 0.5 if os.name == "nt" else None
"""Seconds after which the engine's thread looks up: elsewhere a signal wakes it."""


@dataclass
class Decision:
    """What a run is going to do. `run`: the steps, with a reason for each. All else counts as met."""

    run: dict[str, str]
    finished: bool = False
    goes_on: bool = False
    run_id: str = ""
    warnings: list[str] = field(default_factory=list)


class DagWalk(Walk):
    """Walks the steps (`StepSpec`) of a graph. What is to run, and what is written first, the subclass says."""

    def __init__(self, graph: Graph, limits: Limits, *, keep_going: bool = False, use_hooks: bool = True) -> None:
        self.graph = graph
        self.steps: list[StepSpec] = [spec for spec in graph.nodes.values() if isinstance(spec, StepSpec)]
        self.limits, self.keep_going, self.use_hooks = limits, keep_going, use_hooks
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.clashes = Clashes()
        self.calls_of: dict[Unit, list[int]] = {}
        """Of the units in `clashes`: the calls whose effect on ctx stands."""
        self.fans: dict[int, Fan] = {}
        self.visit = 0
        self.failed: list[str] = []
        """Steps that failed for good, and by whose failure the run fails."""
        self.pause: list[tuple[str, str]] = []
        self.paused_at = ""
        self.broken: BaseException | None = None
        """What went wrong in the engine itself, in another thread."""
        self.at_once = False
        self.units: dict[Unit, UnitRun] = {}
        """What runs now, in the order in which it started."""
        self.pending: list[Any] = []
        """What waits for the next record: the end of a step after which the next begins at once."""

    # -- what the subclass says --------------------------------------------------------------------

    @abstractmethod
    def decide(self, file: StateFile, state: dict[str, Any]) -> Decision:
        """What this run does; UsageError where it cannot go on. Nothing is written."""

    @abstractmethod
    def prepare(self, tx: Transaction) -> None:
        """The first record of the run: what is undone, emptied, set."""

    def settle(self) -> None:
        """No foreground step is left: wait for what steps have left behind."""
        return

    def finish(self, ending: Ending) -> Ending:
        """All steps are over: what is still to be done before the end is written."""
        return ending

    # -- begin -------------------------------------------------------------------------------------

    def run_id(self, state: dict[str, Any]) -> str:
        return ""

    def begin(self, file: StateFile, state: dict[str, Any]) -> Where:
        self.file = file
        self.decision = self.decide(file, state)
        engine = state.get("engine")
        visit = engine.get("visit", 0) if isinstance(engine, dict) else 0
        self.visit = visit if type(visit) is int else 0
        return Where(self.decision.finished, self.decision.goes_on, "", self.decision.warnings, self.decision.run)

    def set_up(self, frame: Frame) -> None:
        self.frame = frame
        self.pool = ThreadPool("octo-step")
        self.background = Background(self)
        os.environ.pop(ENVIRONMENT_NAME, None)  # that of a step of another run, which has started this one

    def take_back(self, tx: Transaction) -> list[tuple[str, list[str]]]:
        calls = sorted(self.file.open_calls)
        if not calls:
            return []
        names = self._names_by_visit(tx.peek((GROUP,), {}))
        whose = dict.fromkeys(names.get(self.file.open_calls[call], "a step") for call in calls)
        places = undo_calls(tx, since_checkpoints(self.file.lines_since(calls[0] - 1), calls), calls, "ctx")
        tx.flags.update(end=calls, fence=calls)
        self._keep_what_stood(tx, calls)
        return [(", ".join(whose), places)] if places else []

    def _keep_what_stood(self, tx: Transaction, calls: list[int]) -> None:
        """A cut-off call that had a checkpoint counts among those of its step."""
        lines = self.file.lines_since(calls[0] - 1)
        for call in calls:
            if kept_by_checkpoint(lines, call) is None:
                continue
            for position, index, entry in self._entries(tx.peek((GROUP,), {})):
                if entry.get("visit") == self.file.open_calls[call] and entry.get("status") == RUNNING:
                    tx.set((*place_of(self.steps[position].name, index), "calls"), [*entry.get("calls", ()), call])

    def _entries(self, steps: Any) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """What stands in the group `steps`: position, number of the item (-1: the step's own), entry."""
        for position, spec in enumerate(self.steps):
            entry = steps.get(spec.name) if isinstance(steps, dict) else None
            if isinstance(entry, dict):
                yield position, -1, entry
                items = entry.get("items")
                for key, item in items.items() if isinstance(items, dict) else ():
                    yield position, int(key), item

    def _names_by_visit(self, steps: Any) -> dict[int, str]:
        return {entry["visit"]: shown_name(self.steps[position].name, index)
                for position, index, entry in self._entries(steps) if "visit" in entry}

    def record_start(self, tx: Transaction) -> None:
        self.prepare(tx)
        steps = tx.peek((GROUP,), {})
        for name, reason in self.decision.run.items():
            entry = steps.get(name)
            if not isinstance(entry, dict) or "status" not in entry:
                tx.set((GROUP, name), {"status": WAITING, "reason": reason})
        if tx.peek((GLOBAL, "last_error"), MISSING) is not MISSING:
            tx.delete((GLOBAL, "last_error"))
        if tx.peek((GLOBAL, "history_from"), MISSING) is MISSING:
            tx.set((GLOBAL, "history_from"), self.file.journal.seq + 1)
        put(tx, "step_engine_state", "RUNNING")
        met = [spec.name for spec in self.steps if spec.name not in self.decision.run]
        self.dag = Dag(self.steps, self.limits, met)
        left_out = [name for name in met if tx.peek((GROUP, name, "status"), "") == LEFT_OUT]
        self.order = Order(self.steps, left_out)
        self.order_now = Order(self.steps, met)

    # -- walk --------------------------------------------------------------------------------------

    def walk(self) -> Ending:
        self._know_what_was_written()
        stopping = self.frame.stopping
        stopping.also = self.background.ask_to_stop
        try:
            stopping.raises = True
            self.background.start_again()
            self._work_in_this_thread()
            self.settle()
            self.background.stop()
            self.flush()
        except KeyboardInterrupt:
            return self._interrupted()
        except BaseException:
            self._leave_all()
            raise
        finally:
            stopping.raises = False
        return self.finish(self._ending())

    def _work_in_this_thread(self) -> None:
        while True:
            with self.changed:
                while (run := self._next()) is None:
                    self._flush_pending()
                    if not self.dag.running:
                        return
                    self.changed.wait(_HEAR)
            if run.spec.background:
                self.background.start(run)
            elif run.spec.parallel:
                self.pool.start(self._work_in_a_thread, run)
            else:
                run.go()

    def _work_in_a_thread(self, run: UnitRun | None) -> None:
        while run is not None:
            current = run
            try:
                run.go()
                with self.changed:
                    run = self._next(parallel_only=True)
                    if run is None:
                        self._flush_pending()
                    if run is None or self.dag.has_room():
                        self.changed.notify_all()
            except BaseException as error:  # the disk is full, say: the engine's own thread ends the run
                with self.changed:
                    self.broken = self.broken or error
                    self.ended(current)
                    self.changed.notify_all()
                return

    def _next(self, *, parallel_only: bool = False) -> UnitRun | None:
        """The next unit, which counts as running from now on. The caller holds the lock."""
        if self._holds():
            return None

        def may_start(unit: Unit) -> bool:
            spec = self.dag.spec(unit)
            if parallel_only and (not spec.parallel or spec.background):
                return False
            return not self._pauses_before(unit, spec)

        unit = self.dag.next(may_start)
        if unit is None:
            return None
        return self.new_run(unit)

    def new_run(self, unit: Unit) -> UnitRun:
        """The unit counts as running from now on. The caller holds the lock."""
        self.dag.start(unit)
        self.visit += 1
        run = UnitRun(self, unit, self.dag.spec(unit), self.visit)
        if not run.spec.background:
            self.units[unit] = run
        return run

    def _holds(self) -> bool:
        """Nothing new starts: a failure, a pause, a stop."""
        return bool(self.pause or self.broken or self.frame.stopping.requested
                    or (self.failed and not self.keep_going))

    def _pauses_before(self, unit: Unit, spec: StepSpec) -> bool:
        tally = self.frame.tally
        if tally.step_limit and not spec.background:
            under_way = len(self.units)
            if tally.steps + under_way >= tally.step_limit:
                if under_way == 0:
                    self.pause += [("limit", text) for text in tally.limits_reached()]
                return True
        if self.has_breakpoint(spec, unit.item, "entry"):
            self.hit_breakpoint(unit, spec, "entry")
            return True
        return False

    # -- breakpoints -------------------------------------------------------------------------------

    def may_break(self, spec: StepSpec) -> bool:
        """Whether there may be a breakpoint behind the step."""
        return spec.exit_breakpoint or bool(self.file.look((breakpoints.GROUP,), bool))

    def has_breakpoint(self, spec: StepSpec, index: int, where: str) -> bool:
        """Whether it stops here, and has not done so yet."""
        name = shown_name(spec.name, index)
        group = self.file.look((breakpoints.GROUP,), lambda found: found)
        if not group and not (spec.entry_breakpoint if where == "entry" else spec.exit_breakpoint):
            return False
        if index >= 0 and not (isinstance(group, dict) and name in group):
            return False  # the flags of the step are for the step as a whole
        own = group.get(name) if isinstance(group, dict) else None
        if not breakpoints.is_set({spec.name: own}, spec, where):
            return False
        passed = self.file.look(("engine", "passed", name), lambda found: found)
        return where not in (passed if isinstance(passed, list) else ())

    def hit_breakpoint(self, unit: Unit, spec: StepSpec, where: str) -> None:
        """Nothing new starts; what runs is let finish. Told once, so that a resume goes on."""
        name = shown_name(spec.name, unit.item)
        with self.lock:
            self.pause.append(("breakpoint", f"breakpoint at {where} of {name}"))
            self.pending.append(lambda tx: tx.append(("engine", "passed", name), [where]))
            self.paused_at = name
            self.changed.notify_all()
        self.frame.events.tell("breakpoint_hit", name, self.visit, where=where)

    # -- ends --------------------------------------------------------------------------------------

    def ended(self, run: Attempt) -> None:
        """A unit runs no more. The caller holds the lock."""
        self.dag.stop(run.unit)
        self.units.pop(run.unit, None)

    def flush(self) -> None:
        """Write what waits for the next record."""
        with self.lock:
            self._flush_pending()

    def _flush_pending(self) -> None:
        if self.pending:
            with self.file.transaction(ENGINE, later=True) as tx:
                self.write_pending(tx)

    def write_pending(self, tx: Transaction) -> None:
        """What waits comes first in this record. The caller holds the lock."""
        pending, self.pending = self.pending, []
        for note in pending:
            note(tx)

    def show_running(self, tx: Transaction) -> None:
        """The documented keys. The caller holds the lock."""
        for run in self.units.values():
            show_running(tx, run.name, run.spec.module)
            return
        show_running(tx, "", "")

    def _ending(self) -> Ending:
        if self.broken is not None:
            raise self.broken
        if self.failed:
            error = self.error or {}
            where = error.get("node", self.failed[0])
            return Ending("COMPLETE_ERROR", "error", [f"{error.get('type')} in {where}: {error.get('message')}"])
        pause = list(self.pause)
        if self.frame.stopping.requested:
            pause.insert(0, ("signal", self.frame.stopping.requested))
        if pause and (self.dag.left() or any(kind in ("breakpoint", "signal") for kind, _ in pause)):
            return Ending("PAUSED", ",".join(dict.fromkeys(kind for kind, _ in pause)), [text for _, text in pause])
        return Ending("COMPLETE_SUCCESS", "completed", ["all steps are done"])

    def _interrupted(self) -> Ending:
        """The second Ctrl-C: what runs is left where it is; the next run undoes it and begins it again."""
        with suppress(OctoError):
            self.flush()
        names = [run.name for run in self.units.values()]
        self._leave_all()
        reason = self.frame.stopping.requested or "KeyboardInterrupt"
        return Ending("PAUSED", "signal", [f"{reason}, at once, in {', '.join(names) or 'the engine'}"], at_once=True)

    def _leave_all(self) -> None:
        """What still runs counts no more and writes no more."""
        with self.lock:
            self.at_once = True
            for run in self.units.values():
                run.leave()
        self.background.leave()

    def aside(self, who: str, function: Callable[[Call], Any], run: Attempt | None = None) -> None:
        """Do something beside the steps, as a call of its own. A failure is undone, and a warning."""
        with self.lock, self.file.transaction(ENGINE, later=True) as tx:
            self.write_pending(tx)
            tx.flags["begin"] = True
            call = self.file.journal.seq + 1
        author = Author(who, self.visit if run is None else run.visit, call, self.frame.instance)
        of_step = run is not None
        run = run or UnitRun(self, Unit(0), self.steps[0], self.visit)
        access = run.access = Access(self.file, author, run.stop)
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
        with self.lock:
            if self.at_once:  # the next run undoes it
                return
            self._end_aside(call, run.spec.name if of_step else "", problem)
        if problem is not None:
            log.warning("%s failed: %s: %s", who, type(problem).__name__, problem)

    def _end_aside(self, call: int, step: str, problem: BaseException | None) -> None:
        with self.file.transaction(ENGINE, later=True) as tx:
            tx.flags["end"] = call
            if problem is not None:
                undo_call(tx, self.file.lines_since(call - 1), call, "ctx")
                tx.flags["fence"] = call
            elif step:  # undone with the step, if ever that is
                tx.append(("engine", "hooks", step), [call])

    def record_end(self, ending: Ending) -> None:
        with self.file.transaction(ENGINE, later=True) as tx:
            put(tx, "step_engine_state", ending.status)
            node = self.where()[0] if ending.status != "COMPLETE_SUCCESS" else ""
            spec = self.graph.nodes.get(node.partition("[")[0])
            put(tx, "current_step_node", node)
            put(tx, "current_step_module", spec.module if spec else "")
            put(tx, "current_step_state", "INACTIVE" if not node else "EXECUTE" if self.error else "ENTER")
            ending.show(tx)

    def where(self) -> tuple[str, int, str]:
        if self.units:
            run = next(iter(self.units.values()))
            return run.name, run.visit, "EXECUTE"
        if self.error:
            return self.error["node"], self.error["visit"], "EXECUTE"
        if self.paused_at:
            return self.paused_at, self.visit, "ENTER"
        left = self.dag.left() if hasattr(self, "dag") else []
        return (left[0].name if left else ""), self.visit, "ENTER" if left else "INACTIVE"

    def put_away(self) -> None:
        if not self.at_once:
            self.pool.close()

    # -- after a resume ----------------------------------------------------------------------------

    def _know_what_was_written(self) -> None:
        """What parallel steps of this run changed in ctx before, so that a later one can clash with it."""
        calls: dict[int, Unit] = {}
        steps = self.file.look((GROUP,), lambda group: group if isinstance(group, dict) else {})
        for position, index, entry in self._entries(steps):
            spec = self.steps[position]
            if spec.parallel and not spec.background:
                calls |= {call: Unit(position, index) for call in entry.get("calls", ())}
        if not calls:
            return
        with self.file.reading():
            seen = standing(self.file.lines_since(min(calls) - 1), calls)
        for call, unit in calls.items():
            self.clashes.add(unit, Writes.of(seen[call]))
            self.calls_of.setdefault(unit, []).append(call)

    # -- the plan's order --------------------------------------------------------------------------

    def is_ordered(self, one: Unit, other: Unit) -> bool:
        """Whether the plan puts one of the two units before the other, whatever the clock says."""
        if one.position == other.position:
            return -1 in (one.item, other.item)  # a step ends after its items
        run = self.decision.run
        both_now = self.steps[one.position].name in run and self.steps[other.position].name in run
        return (self.order_now if both_now else self.order).ordered(one.position, other.position)

    def plan_is_less(self) -> None:
        """A step has failed for good: what depends on it will not run and holds up nobody. The caller has the lock."""
        if self.keep_going:
            never = [spec.name for spec in self.dag.never()]
            self.order = self.order.without(never)
            self.order_now = self.order_now.without(never)
