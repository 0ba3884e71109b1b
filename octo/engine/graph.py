"""What there is to walk: step nodes and the arrows between them, as plain data.

A graph knows nothing of running, state or drawing. A library directory becomes one through
`octo.engine.library`; a recipe compiles to one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo.errors import UsageError, nearest

# Groups of the state that belong to the engine; a node's parameters are a group of the node's name.
RESERVED_NAMES = ("global_parameters", "ctx", "engine", "breakpoints", "steps")
DYNAMIC_ARROW_PREFIX = "step_arrow_graph_list_key_"
FAILURE_ARROW = DYNAMIC_ARROW_PREFIX + "failure_path"
COMPLETE = "COMPLETE"


@dataclass(frozen=True)
class Arrow:
    """One way out of a node; `attrs` are its Graphviz attributes, `module` is where the target should be."""

    key: str
    source: str
    target: str
    module: str = ""
    attrs: dict[str, Any] = field(default_factory=dict)
    active: bool = True


@dataclass(frozen=True)
class NodeSpec:
    """One node: its class and its flags as the library gives them (an instance's breakpoints override two).

    `params_init` and `results_init` map a group of the state to its first values. `timeout` is in
    seconds. `fingerprint` is the SHA-256 of the source that the class was loaded from.
    """

    name: str
    module: str
    cls: type
    path: Path
    line: int = 1
    attrs: dict[str, Any] = field(default_factory=dict)
    first: bool = False
    active: bool = True
    skip_execute: bool = False
    entry_breakpoint: bool = False
    exit_breakpoint: bool = False
    retry: dict[str, Any] | int | None = None
    timeout: float | None = None
    resume_at_entry: bool = False
    params_init: dict[str, Any] = field(default_factory=dict)
    results_init: dict[str, Any] = field(default_factory=dict)
    arrows: dict[str, Arrow] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True)
class StepSpec(NodeSpec):
    """A node of a plan of steps: its arrows lead to the steps that wait for it, and `work` is what it does.

    `lane`: "thread" or "process", which have their own limits. `cpu` (cores) and `mem` (bytes) are what it asks of
    the machine. `on_conflict`: "first" or "last" of two steps that change one place in ctx; "" is a clash.
    """

    needs: tuple[str, ...] = ()
    parallel: bool = False
    background: bool = False
    fans_out: bool = False
    allow_failure: bool = False
    on_conflict: str = ""
    lane: str = "thread"
    cpu: float = 0.0
    mem: float = 0.0
    stop_timeout: float = 10.0
    work: Any = None


@dataclass(frozen=True)
class Graph:
    """The nodes by name, in the order in which they were found, and the directory or file they came from."""

    source: Path
    nodes: dict[str, NodeSpec]

    def first_node(self, preferred: str = "") -> str:
        """The node to start with: `preferred`, else the one flagged first, else the only one there is.

        Raises UsageError when that names none or more than one.
        """
        if preferred:
            if preferred not in self.nodes:
                raise UsageError(
                    f"the first node is to be {preferred!r}, which is not in {self.source}"
                    + nearest(preferred, self.nodes)
                )
            return preferred
        first = [node.name for node in self.nodes.values() if node.first] or list(self.nodes)
        if len(first) != 1:
            raise UsageError(
                f"{self.source}: which node is the first? "
                + (f"Candidates: {', '.join(first)}" if first else "There are no nodes")
            )
        return first[0]

    def fingerprint(self, node: str) -> str:
        """SHA-256 (hex) of the source file of the node's class, as it was when the graph was loaded."""
        spec = self.nodes[node]
        return spec.fingerprint or hashlib.sha256(spec.path.read_bytes()).hexdigest()
