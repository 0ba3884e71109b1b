"""`StepNode`: a base class that spares a step node the routine. A plain class does as well."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from octo.context import Context


class StepNode:
    """A step of a graph. Override what the step needs; each of the four methods has a sensible default.

    A new object is made for each visit of the node, so what must reach a later method belongs in
    `ctx`, `params` or `results`, not on `self`. `step_entry`, `step_execute` and `step_exit` return 0
    (or nothing) when all is well; an exception or another value is an error.

    >>> class step_node_greet(StepNode):
    ...     def step_execute(self):
    ...         self.ctx["greeting"] = f"hello, {self.params.get('whom', 'world')}"
    """

    ctx: Context
    """The data that all steps share. What a failed or cut-off call changed there is undone."""
    params: MutableMapping[str, Any]
    """The group of this node in the parameter file: what people set."""
    results: MutableMapping[str, Any]
    """The same group: what the step leaves there for people to read."""
    log: logging.Logger
    resumed: bool = False
    """True when this call was begun before and cut off or failed: what it did outside may be there."""

    def __init__(self, name: str, verbose_flag: bool = False) -> None:
        self.name = name
        self.verbose_flag = verbose_flag

    def step_entry(self) -> int | None:
        """Prepare. Called once a visit, before `step_execute`."""
        return 0

    def step_execute(self) -> int | None:
        """Do the work."""
        return 0

    def step_exit(self) -> int | None:
        """Clean up, keep results."""
        return 0

    def step_advance(self) -> str:
        """Name the arrow to take: a key of `step_arrow_graph_dict`,
        `step_arrow_graph_list_key_<node>`, or "COMPLETE". It may be called twice, so it should only decide.

        The default takes the only active arrow, or ends where there is none.
        """
        return ""


def overrides(cls: type, method: str) -> bool:
    """Whether a node class brings its own `method`."""
    own = getattr(cls, method, None)
    return own is not None and own is not getattr(StepNode, method)
