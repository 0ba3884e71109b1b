"""What the step of a plan does, as the engine sees it; a recipe's steps are one kind of it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from octo.context import Context
from octo.store import Author

from .graph import StepSpec


@dataclass
class Call:
    """One call of a step's work.

    `name` is the step's, with `[3]` behind it for an item. `resumed`: it was begun before and cut off. `within(seconds,
    function)` calls `function` and raises StepTimeout when that takes too long. `usage` is what the work used, where
    it knows better than the engine; {} where nobody knows.
    """

    spec: StepSpec
    name: str
    ctx: Context
    author: Author
    stop: threading.Event
    within: Callable[[float | None, Callable[[], Any]], Any]
    say: Callable[[str], None]
    """Write a line into the run's log, in the step's name."""
    index: int = -1
    item: Any = None
    attempt: int = 1
    resumed: bool = False
    usage: dict[str, Any] | None = None


@dataclass(frozen=True)
class Hook:
    """`run(call, status=…, error=…)` is one try of it; `retry` as with a step."""

    run: Callable[..., None]
    retry: dict[str, Any] | None = None


@dataclass(frozen=True)
class Cached:
    """What an earlier run of the step came to."""

    result: Any
    ops: list[dict[str, Any]]
    reason: str


class Work(ABC):
    """The body of a step. All but `run` only look; each may raise, which fails the step."""

    looks = False
    """Whether `skips`, `cached` and `keep` have anything to say."""

    @abstractmethod
    def run(self, call: Call) -> Any:
        """Do it and return the result; raises where it fails."""

    def skips(self, call: Call) -> str:
        """Why the step is not run this time; "" where it is."""
        return ""

    def items(self, call: Call) -> list[Any]:
        """For a step that fans out: what it is run for, one by one."""
        return []

    def collects(self) -> str:
        """For a step that fans out: the key of ctx that the results are put at; "" for none."""
        return ""

    def cached(self, call: Call) -> Cached | None:
        """An earlier result that stands for this one."""
        return None

    def keep(self, call: Call, result: Any, ops: Callable[[], list[dict[str, Any]]]) -> None:
        """The call ended well: keep it for `cached`. `ops()` are its changes in ctx."""
        return

    def hooks(self, succeeded: bool) -> Sequence[Hook]:
        """What is to be done once the outcome is final, one after the other."""
        return ()

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the source of what is run; "" where there is none."""
        return ""
