"""What a run comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class RunResult:
    """How a run ended. `steps` and `timings` (`{node: {"count", "seconds"}}`) are of this run alone."""

    status: str
    """COMPLETE_SUCCESS, COMPLETE_ERROR or PAUSED."""
    ended_by: str
    """completed, error, breakpoint, limit or signal; two that met at one place are joined by a comma."""
    steps: int
    run_id: str
    node: str = ""
    state: str = ""
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    timings: dict[str, dict[str, Any]] = field(default_factory=dict)
    resumed: bool = False
    wanted: int | None = None
    """The number of steps that the caller asked for (`octo step`)."""
    nothing_to_do: bool = False
    """The instance had finished before: nothing ran."""
    directory: str = ""
    """The instance."""

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed, 3 paused, 130 interrupted."""
        if self.status == "COMPLETE_SUCCESS":
            return 0
        if self.status == "COMPLETE_ERROR":
            return 1
        if "signal" in self.ended_by:
            return 130
        if self.wanted is not None and self.steps >= self.wanted:
            return 0
        return 3
