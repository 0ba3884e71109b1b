"""Why a run stops, and what it did so far: endings, limits, the tally of steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from octo.store import Transaction

from .position import put


@dataclass
class Ending:
    """Why the walk stops: the engine state, `ended_by` and the reasons for people."""

    status: str
    ended_by: str
    reasons: list[str]
    at_once: bool = False
    """The second Ctrl-C: the position on disk stays what it is."""

    def show(self, tx: Transaction) -> None:
        """Octo's own keys say why."""
        put(tx, "ended_by", self.ended_by)
        put(tx, "pause_reason", "; ".join(self.reasons) if self.status == "PAUSED" else "")


@dataclass
class Tally:
    """What this run did so far, and its limits (0 = none)."""

    step_limit: int = 0
    loop_limit: int = 0
    steps: int = 0
    loops: int = 0
    timings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def count(self, node: str, seconds: float) -> None:
        """`step_execute` of a node took so long (or was skipped)."""
        timing = self.timings.setdefault(node, {"count": 0, "seconds": 0.0})
        timing["count"] += 1
        timing["seconds"] += seconds

    def limits_reached(self) -> list[str]:
        """What this run may not go beyond and has come to, in words."""
        found = []
        if self.step_limit and self.steps >= self.step_limit:
            found.append(f"{self.steps} step{'s' * (self.steps != 1)} made, the limit of this run")
        if self.loop_limit and self.loops >= self.loop_limit:
            found.append(f"{self.loops} loop{'s' * (self.loops != 1)} made, the limit of this run")
        return found
