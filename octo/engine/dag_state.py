"""What the walk over a plan, the units that run and what stands beside them share, behind one lock."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from octo.store import Transaction
from octo.store.state_file import StateFile

from . import breakpoints
from .beside import Beside
from .dag import Dag, Limits, Unit
from .graph import Graph, StepSpec
from .step_book import show_running, shown_name
from .walk import ENGINE, Frame, Walk


class Runs(Protocol):
    """A unit that runs."""

    name: str
    unit: Unit
    visit: int
    spec: StepSpec

    def leave(self) -> None:
        """Whatever it still does counts no more."""


@dataclass
class Fan:
    """A step that fans out: what its items came to so far. `errors`: of those that failed, in words."""

    items: list[Any]
    left: int
    started: float
    results: dict[int, Any] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


class PlanState(Walk):
    """The steps (`StepSpec`) of a graph and how far they are. `set_up` sets what has no value before."""

    file: StateFile
    frame: Frame
    dag: Dag
    beside: Beside

    def __init__(self, graph: Graph, limits: Limits, *, keep_going: bool = False, use_hooks: bool = True) -> None:
        self.graph = graph
        self.steps: list[StepSpec] = [spec for spec in graph.nodes.values() if isinstance(spec, StepSpec)]
        self.limits, self.keep_going, self.use_hooks = limits, keep_going, use_hooks
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.fans: dict[int, Fan] = {}
        self.visit = 0
        self.failed: list[str] = []
        """Steps that failed for good, and by whose failure the run fails."""
        self.pause: list[tuple[str, str]] = []
        self.paused_at = ""
        self.broken: BaseException | None = None
        """What went wrong in the engine itself, in another thread."""
        self.at_once = False
        self.units: dict[Unit, Runs] = {}
        """What runs now, in the order in which it started."""
        self.pending: list[Any] = []
        """What waits for the next record: the end of a step after which the next begins at once."""

    # -- what runs, and what waits to be written ----------------------------------------------------

    def ended(self, run: Runs) -> None:
        """A unit runs no more. The caller holds the lock."""
        self.dag.stop(run.unit)
        self.units.pop(run.unit, None)

    def plan_is_less(self) -> None:
        """A step has failed for good: what depends on it will not run. The caller holds the lock."""
        if self.keep_going:
            self.beside.never(self.dag.never())

    def flush(self) -> None:
        """Write what waits for the next record."""
        with self.lock:
            self.flush_now()

    def flush_now(self) -> None:
        """The caller holds the lock."""
        if self.pending and not self.at_once:
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
