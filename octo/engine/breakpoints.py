"""Breakpoints: before a node's `step_entry`, or before its `step_advance`.

The group `breakpoints` of the state (`{node: {"entry": true, "exit": false}}`) is looked at each time a
node is entered or left, so one can be set on a running engine; it overrides the node's own flags.
"""

from __future__ import annotations

from typing import Any

from octo.errors import UsageError, nearest
from octo.store import ParameterStore

from .graph import Graph, NodeSpec

GROUP = "breakpoints"
WHERE = ("entry", "exit")


def is_set(group: Any, spec: NodeSpec, where: str) -> bool:
    """Whether the node stops at `where` ("entry" or "exit"), given the state's group `breakpoints`."""
    own = group.get(spec.name) if isinstance(group, dict) else None
    setting = own.get(where) if isinstance(own, dict) else None
    if setting is None:
        return spec.entry_breakpoint if where == "entry" else spec.exit_breakpoint
    return bool(setting)


def breakpoints(store: ParameterStore, graph: Graph) -> dict[str, tuple[bool, bool]]:
    """The breakpoints in force: `{node: (entry, exit)}`, only nodes that have one."""
    group = store.get(GROUP, default={})
    found = {
        name: (is_set(group, spec, "entry"), is_set(group, spec, "exit"))
        for name, spec in graph.nodes.items()
    }
    return {name: pair for name, pair in found.items() if any(pair)}


def set_breakpoint(store: ParameterStore, graph: Graph | None, node: str, *,
                   entry: bool | None = None, exit: bool | None = None) -> None:
    """Set (True) or clear (False) breakpoints of a node; None leaves one as it is.

    With a graph a misspelt node is a UsageError that names the nearest.
    """
    if graph is not None and node not in graph.nodes:
        raise UsageError(f"{graph.source} has no node {node!r}" + nearest(node, graph.nodes))
    with store.transaction() as tx:
        for where, value in zip(WHERE, (entry, exit), strict=True):
            if value is not None:
                tx.set((GROUP, node, where), value)
