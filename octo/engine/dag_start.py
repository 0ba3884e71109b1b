"""How a run of a plan begins: what is to run, what a cut-off one left is undone, what the first record says."""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from octo.store import GLOBAL, MISSING, Transaction
from octo.store.author import ENVIRONMENT_NAME
from octo.store.state_file import StateFile

from .beside import Beside
from .cut_off import undo_cut_off
from .dag import Dag
from .dag_state import PlanState
from .position import put
from .step_book import GROUP, LEFT_OUT, WAITING
from .walk import Frame, Where


@dataclass
class Decision:
    """What a run is going to do. `run`: the steps, with a reason for each. All else counts as met."""

    run: dict[str, str]
    finished: bool = False
    goes_on: bool = False
    warnings: list[str] = field(default_factory=list)


class PlanStart(PlanState):
    """What is to run, and what is written first, the subclass says."""

    # -- what the subclass says --------------------------------------------------------------------

    @abstractmethod
    def decide(self, file: StateFile, state: dict[str, Any]) -> Decision:
        """What this run does; UsageError where it cannot go on. Nothing is written."""

    @abstractmethod
    def prepare(self, tx: Transaction) -> None:
        """The first record of the run: what is undone, emptied, set."""

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
        # The step of another run that has started this one is not who writes here.
        self._outer = os.environ.pop(ENVIRONMENT_NAME, "")

    def take_back(self, tx: Transaction) -> list[tuple[str, list[str]]]:
        return undo_cut_off(tx, self.file, [spec.name for spec in self.steps])

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
        self.beside = Beside(self.steps, self.decision.run, left_out)

    def put_away(self) -> None:
        if self._outer:
            os.environ[ENVIRONMENT_NAME] = self._outer
