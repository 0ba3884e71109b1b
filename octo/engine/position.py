"""Where a run stands: the group `engine` of the state, and the documented keys that show it to people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from octo.store import GLOBAL, MISSING, Transaction

from .graph import Graph

ENTER, EXECUTE, EXIT, ADVANCE, JUMP, INACTIVE = "ENTER", "EXECUTE", "EXIT", "ADVANCE", "JUMP", "INACTIVE"
CALLED_STATES = (ENTER, EXECUTE, EXIT, ADVANCE)
COUNTER = (GLOBAL, "run_step_count")


@dataclass
class Position:
    """The current visit of a node and how far it is.

    `begun`: the method that `state` names was called. `passed`: the breakpoints that this visit has
    stopped at already. `counted`: by how much this visit's steps changed `run_step_count` themselves.
    """

    visit: int = 0
    node: str = ""
    state: str = INACTIVE
    begun: bool = False
    arrow: str = ""
    next: str = ""
    passed: list[str] = field(default_factory=list)
    retries: int = 0
    counted: int = 0

    @staticmethod
    def read(state: dict[str, Any]) -> Position:
        """From the whole state; a missing or foreign value counts as the default."""
        group = state.get("engine", {})
        position = Position()
        if isinstance(group, dict):
            for key, default in asdict(position).items():
                if type(group.get(key)) is type(default):
                    setattr(position, key, group[key])
        return position

    def enter(self, node: str, state: str = ENTER) -> None:
        """A new visit."""
        self.visit += 1
        self.node, self.state, self.begun = node, state, False
        self.arrow, self.next, self.passed, self.retries, self.counted = "", "", [], 0, 0

    def begin(self, state: str) -> None:
        """The method of `state` is called next."""
        if state != self.state:
            self.state, self.retries = state, 0
        self.begun = True

    def rest(self, state: str) -> None:
        """Stop before the method of `state`."""
        if state != self.state:
            self.state, self.retries = state, 0
        self.begun = False


class Recorder:
    """Writes the position and the documented keys, only what changed, into a transaction."""

    def __init__(self, position: Position, graph: Graph) -> None:
        self._position = position
        self._graph = graph
        self._written: dict[str, Any] = {}

    def write(self, tx: Transaction, engine_state: str | None = None) -> None:
        position = self._position
        now = {
            "visit": position.visit,
            "node": position.node,
            "state": position.state,
            "begun": position.begun,
            "arrow": position.arrow,
            "next": position.next,
            "passed": list(position.passed),
            "retries": position.retries,
            "counted": position.counted,
        }
        if tx.peek(("engine", "visit"), MISSING) != self._written.get("visit"):
            self._written = {}  # a new run, or somebody took the group away: write all of it
        for key, value in now.items():
            if self._written.get(key, MISSING) != value:
                tx.set(("engine", key), value)
        self._written = now
        spec = self._graph.nodes.get(position.node)
        shown = {"current_step_module": spec.module if spec else "", "current_step_node": position.node,
                 "current_step_state": position.state}
        if engine_state is not None:
            shown["step_engine_state"] = engine_state
        for key, value in shown.items():
            put(tx, key, value)


def put(tx: Transaction, key: str, value: Any) -> None:
    """Set a global parameter where it is not that already."""
    if tx.peek((GLOBAL, key), MISSING) != value:
        tx.set((GLOBAL, key), value)


def setting(state: Any, key: str, default: Any) -> Any:
    """A global parameter of the whole state; `default` where it is missing or null."""
    group = state.get(GLOBAL) if isinstance(state, dict) else None
    value = group.get(key, default) if isinstance(group, dict) else default
    return default if value is None else value
