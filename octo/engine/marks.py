"""What happened in a graph, as its picture shows it, read from an instance's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo.engine.graph import FAILURE_ARROW, Graph
from octo.engine.step_marks import StepMark, is_plan, marks_of_steps


@dataclass
class Marks:
    """What happened: `status` of a node is done, current, failed, skipped or empty; `seconds` are totals.

    `taken` counts arrows: source, key of the arrow, target ("" for the end of the run), number of times.
    `breakpoints` are (entry, exit) for nodes where they differ from the graph's own.
    """

    status: dict[str, str] = field(default_factory=dict)
    visits: dict[str, int] = field(default_factory=dict)
    taken: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    breakpoints: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    title: str = ""
    state: str = ""
    steps: dict[str, StepMark] = field(default_factory=dict)
    """What happened to the steps of a recipe, whose graph uses only this, `breakpoints`, `title` and `state`."""


def marks_from_state(graph: Graph, state: Mapping[str, Any]) -> Marks:
    """The marks of an instance's state. What does not fit (people may edit the file) is left out."""
    general = _group(state, "global_parameters")
    engine = _group(state, "engine")
    marks = Marks(state=str(general.get("step_engine_state") or ""))
    if general.get("pause_reason") and marks.state == "PAUSED":
        marks.state += f": {general['pause_reason']}"
    if isinstance(path := general.get("step_engine_instance_path"), str):
        marks.title = Path(path).name
    for node, count in _group(engine, "visits").items():
        if isinstance(count, int) and count > 0:
            marks.visits[node] = count
    for node, seconds in _group(engine, "seconds").items():
        if isinstance(seconds, (int, float)):
            marks.seconds[node] = seconds
    for source, keys in engine.get("taken", {}).items() if isinstance(engine.get("taken"), dict) else ():
        for key, targets in keys.items() if isinstance(keys, dict) else ():
            for target, count in targets.items() if isinstance(targets, dict) else ():
                if isinstance(count, int) and count > 0:
                    marks.taken.setdefault(source, {}).setdefault(key, {})[target] = count
    for node, spec in graph.nodes.items():
        set_here = _group(_group(state, "breakpoints"), node)
        entry, leave = (
            set_here.get("entry", spec.entry_breakpoint),
            set_here.get("exit", spec.exit_breakpoint),
        )
        marks.breakpoints[node] = (bool(entry), bool(leave))
        if node in marks.visits:
            only_failed = set(marks.taken.get(node, ())) == {FAILURE_ARROW}
            marks.status[node] = "failed" if only_failed else "skipped" if spec.skip_execute else "done"
    if is_plan(graph):
        marks.steps = marks_of_steps(graph, state)
        return marks
    current = engine.get("node")
    if isinstance(current, str) and current and marks.state != "COMPLETE_SUCCESS":
        marks.status[current] = "failed" if marks.state == "COMPLETE_ERROR" else "current"
    return marks


def _group(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = state.get(name)
    return value if isinstance(value, dict) else {}
