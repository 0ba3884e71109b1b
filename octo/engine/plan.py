"""The plan of a graph walk: which arrow leads on from a node, and to where."""

from __future__ import annotations

from typing import Any

from octo.errors import OctoError, nearest

from .graph import COMPLETE, DYNAMIC_ARROW_PREFIX, FAILURE_ARROW, Arrow, Graph, NodeSpec


class AdvanceError(OctoError):
    """`step_advance` named no way on."""


class GraphWalk:
    """One current node at a time; the next one is where the chosen arrow points."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def only_arrow(self, spec: NodeSpec) -> str:
        """What a node without `step_advance` does: the only active arrow, or the end where there is none."""
        keys = [key for key, arrow in spec.arrows.items() if arrow.active and key != FAILURE_ARROW]
        if len(keys) > 1:
            raise AdvanceError(
                f"{spec.name} has several active arrows ({', '.join(keys)}) and no step_advance to choose one"
            )
        return keys[0] if keys else COMPLETE

    def target(self, spec: NodeSpec, answer: Any) -> str:
        """The node that `step_advance`'s answer leads to; "" at the end. AdvanceError lists the keys."""
        arrow = spec.arrows.get(answer) if isinstance(answer, str) else None
        if arrow is not None:
            return self._through(spec, arrow)
        if answer == COMPLETE:
            return ""
        if isinstance(answer, str) and answer.startswith(DYNAMIC_ARROW_PREFIX):
            return answer.removeprefix(DYNAMIC_ARROW_PREFIX)  # whether there is such a node shows at JUMP
        known = [*spec.arrows, COMPLETE, f"{DYNAMIC_ARROW_PREFIX}<node>"]
        raise AdvanceError(f"{spec.name}: step_advance returned {answer!r}; known are {', '.join(known)}"
                           + (nearest(answer, spec.arrows) if isinstance(answer, str) else ""))

    def _through(self, spec: NodeSpec, arrow: Arrow) -> str:
        if not arrow.active:
            raise AdvanceError(
                f"{spec.name}: the arrow {arrow.key!r} is not active (active_arrow_step_bool is 0)"
            )
        return arrow.target

    def failure_target(self, spec: NodeSpec) -> str | None:
        """Where a failed step goes; None where it has no active failure arrow."""
        arrow = spec.arrows.get(FAILURE_ARROW)
        return arrow.target if arrow is not None and arrow.active else None

    def check_enter(self, name: str) -> None:
        """AdvanceError where the node cannot be entered."""
        spec = self.graph.nodes.get(name)
        if spec is None:
            raise AdvanceError(
                f"there is no node {name!r}; where step_advance is mended instead, current_step_state = ADVANCE "
                f"has it asked again{nearest(name, self.graph.nodes)}"
            )
        if not spec.active:
            raise AdvanceError(f"the node {name!r} is not active (active_node_step_bool is 0)")
