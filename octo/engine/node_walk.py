"""The walk over the step nodes of a library: one node at a time, arrow by arrow."""

from __future__ import annotations

from typing import Any

from octo.errors import UsageError
from octo.store import GLOBAL, Transaction
from octo.store.state_file import StateFile

from .ending import Ending
from .graph import FAILURE_ARROW, Graph
from .lifecycle import Lifecycle
from .position import ENTER, JUMP, put, setting
from .resume import Start, begin_at, find_start, take_back_cut_off_calls
from .walk import ENGINE, Frame, Walk, Where


class NodeWalk(Walk):
    """`strict`: a changed source is an error instead of a warning."""

    def __init__(self, graph: Graph, *, strict: bool = False) -> None:
        self.graph = graph
        self._strict = strict

    def run_id(self, state: dict[str, Any]) -> str:
        return str(setting(state, "run_id", ""))

    def begin(self, file: StateFile, state: dict[str, Any]) -> Where:
        self._first = self.graph.first_node(str(setting(state, "first_step_node", "")))
        self._start = start = find_start(file, self.graph, self._first)
        self._position = start.position
        self._failed_before = _failed_before(state, start)
        if self._strict and start.goes_on and start.warnings and not start.finished:
            raise UsageError(
                "; ".join(start.warnings), hints=["octo run without --strict goes on with the new source"]
            )
        return Where(start.finished, start.goes_on, start.position.node, start.warnings)

    def set_up(self, frame: Frame) -> None:
        self._file = frame.file
        self._lifecycle = Lifecycle(
            frame.file, self.graph, self._first, self._position, frame.events, frame.stopping, frame.tally,
            instance=frame.instance, directory=frame.directory, verbose=frame.verbose, abandon=frame.abandon)
        begin_at(self._start, self.graph)

    def take_back(self, tx: Transaction) -> list[tuple[str, list[str]]]:
        undone = take_back_cut_off_calls(self._file, tx, self._position)
        return [(self._position.node, undone)] if undone else []

    def record_start(self, tx: Transaction) -> None:
        if not tx.peek((GLOBAL, "first_step_node"), ""):
            put(tx, "first_step_node", self._first)
            put(tx, "first_step_module", self.graph.nodes[self._first].module)
        if self._start.moved and self._position.state != ENTER:
            self._lifecycle.fill_groups(tx)
        if self._failed_before and self._position.begun:
            self._position.retries = 0
        self._lifecycle.recorder.write(tx)
        self._lifecycle.count.own = self._position.counted

    def walk(self) -> Ending:
        return self._lifecycle.walk(resumed=self._start.resumed, failed_before=self._failed_before)

    def record_end(self, ending: Ending) -> None:
        self.error = self._lifecycle.error
        if ending.status == "COMPLETE_ERROR" or ending.at_once:  # the position is written already
            with self._file.transaction(ENGINE, later=True) as tx:
                put(tx, "step_engine_state", ending.status)
                ending.show(tx)
        else:
            self._lifecycle.record(ending.status, more=ending.show)
        self.error = self._lifecycle.error

    def where(self) -> tuple[str, int, str]:
        position = self._position
        return position.node, position.visit, position.state


def _failed_before(state: Any, start: Start) -> bool:
    """Whether `last_error` is that of the call with which the run goes on."""
    if start.position.state == JUMP and start.position.arrow == FAILURE_ARROW:
        return False
    error = setting(state, "last_error", {})
    visit = error.get("visit") if isinstance(error, dict) else None
    return setting(state, "step_engine_state", "") == "COMPLETE_ERROR" or visit == start.position.visit
