"""What the next run does with the position that the last one left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from octo.errors import UsageError, nearest, nearest_name
from octo.store import GLOBAL, Transaction
from octo.store.state_file import StateFile
from octo.store.undo import undo_calls

from .counting import own_count
from .graph import Graph
from .position import ADVANCE, CALLED_STATES, ENTER, EXECUTE, EXIT, INACTIVE, Position


@dataclass
class Start:
    """Where a run begins. `resumed`: the first call was begun before. `finished`: there is nothing to run."""

    position: Position
    resumed: bool = False
    finished: bool = False
    goes_on: bool = False
    moved: bool = False
    warnings: list[str] = field(default_factory=list)


def find_start(file: StateFile, graph: Graph, first: str) -> Start:
    """Read the position (section 4 of the rules: the resume table). UsageError where its node is gone."""
    with file.reading() as tree:
        state: dict[str, Any] = tree.root if isinstance(tree.root, dict) else {}
        shown = state.get(GLOBAL, {})
        start = Start(Position.read(state))
        position = start.position
        start.goes_on = position.visit > 0
        if _was_moved(file, shown, position):
            _move(
                start,
                graph,
                str(shown.get("current_step_node", "")),
                str(shown.get("current_step_state", "")),
                first,
            )
        elif not position.node:
            position.enter(first)
        elif position.state == INACTIVE:
            start.finished = True
        elif position.node not in graph.nodes:
            raise UsageError(f"the run stands at {position.node!r}, which {graph.source} no longer has"
                             + nearest(position.node, graph.nodes))
        start.warnings += _changed_nodes(state, graph)
    start.resumed = position.begun
    return start


def _was_moved(file: StateFile, shown: Any, position: Position) -> bool:
    """Whether a person wrote the documented keys; a step that did so (as seed nodes do) does not count."""
    if not isinstance(shown, dict):
        return False
    there = shown.get("current_step_node", ""), shown.get("current_step_state", INACTIVE)
    if there == (position.node, position.state) or not there[0] and not position.node:
        return False
    keys = ["current_step_node"] if there[0] != position.node else []
    keys += ["current_step_state"] if there[1] != position.state else []
    writer: dict[str, dict[str, Any]] = {}
    for line in file.journal.lines():
        for op in line.get("ops", ()):
            if op["path"][:1] == [GLOBAL] and op["path"][1:2] and op["path"][1] in keys:
                writer[op["path"][1]] = line
    return any(not writer.get(key, {}).get("call") for key in keys)


def _move(start: Start, graph: Graph, node: str, state: str, first: str) -> None:
    position = start.position
    if not node:
        node, state = first, ENTER
    if node not in graph.nodes:
        raise UsageError(f"current_step_node names {node!r}, which {graph.source} does not have"
                         + nearest(node, graph.nodes))
    if state not in CALLED_STATES:
        if state != INACTIVE:
            start.warnings.append(f"current_step_state {state!r} is none to begin at; {node} is entered")
        state = ENTER
    start.moved = True
    counted = position.counted
    position.enter(node, state)
    position.counted = counted  # what the visit that is left did to run_step_count is taken back by this one


def _changed_nodes(state: dict[str, Any], graph: Graph) -> list[str]:
    """Nodes whose source changed, or that vanished or were renamed, since they ran."""
    group = state.get("engine")
    marks = group.get("fingerprints", {}) if isinstance(group, dict) else {}
    warnings = []
    for name, mark in marks.items():
        if name in graph.nodes:
            if graph.fingerprint(name) != mark:
                warnings.append(f"the source of {name} has changed since it ran")
            continue
        same = [other for other in graph.nodes if other not in marks and graph.fingerprint(other) == mark]
        near = nearest_name(name, same) or next(iter(same), "")
        warnings.append(
            f"{name} ran, but is gone now" + (f"; {near} has its source: was it renamed?" if near else "")
        )
    return warnings


def take_back_cut_off_calls(file: StateFile, tx: Transaction, position: Position) -> list[str]:
    """Undo what calls did that were open when their engine died; returns the places that were put back."""
    calls = sorted(file.open_calls)
    if not calls:
        return []
    lines = file.lines_since(calls[0] - 1)
    undone = undo_calls(tx, file.lines_since, calls, "ctx", from_checkpoint=True)
    position.counted += sum(own_count(lines, call) for call in calls)
    tx.flags.update(end=calls, fence=calls)
    return undone


def begin_at(start: Start, graph: Graph) -> None:
    """A node with `resume_at_entry_bool` begins its visit again at `step_entry`."""
    position = start.position
    if (
        start.resumed
        and position.state in (EXECUTE, EXIT, ADVANCE)
        and graph.nodes[position.node].resume_at_entry
    ):
        position.state, position.retries = ENTER, 0


