"""What a run walks, as the engine sees it: the nodes of a library one by one, or the steps of a plan side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo.store import Transaction
from octo.store.state_file import StateFile

from .ending import Ending, Tally
from .events import Events
from .graph import Graph
from .output import RunLog
from .stopping import Stopping

ENGINE = "octo"
"""The author of the engine's own records."""


@dataclass
class Where:
    """Where a run begins. `finished`: there is nothing to run. `goes_on`: an earlier run is carried on.

    `runs`: the steps of a plan that it runs, with a reason for each; None for a walk that goes from node to node.
    """

    finished: bool = False
    goes_on: bool = False
    node: str = ""
    warnings: list[str] = field(default_factory=list)
    runs: dict[str, str] | None = None


@dataclass(frozen=True)
class Frame:
    """What the engine sets up for the length of a run. `directory` is the steps' working directory."""

    file: StateFile
    events: Events
    stopping: Stopping
    tally: Tally
    log: RunLog
    instance: Path
    directory: str
    run_id: str
    verbose: bool
    abandon: Callable[[Ending], None]


class Walk(ABC):
    """The methods are called in this order, each once."""

    graph: Graph
    error: dict[str, Any] | None = None
    """What went wrong last, as it stands in `last_error`."""
    directory: str | None = None
    """Where the steps run; None: where `working_directory` says."""

    @abstractmethod
    def run_id(self, state: dict[str, Any]) -> str:
        """The run that goes on; "" for a new one."""

    @abstractmethod
    def begin(self, file: StateFile, state: dict[str, Any]) -> Where:
        """Find out where the run stands; UsageError where it cannot go on. Nothing is written."""

    @abstractmethod
    def set_up(self, frame: Frame) -> None:
        """The run will take place."""

    @abstractmethod
    def take_back(self, tx: Transaction) -> list[tuple[str, list[str]]]:
        """Undo what cut-off calls did: whose, and the places that were put back."""

    @abstractmethod
    def record_start(self, tx: Transaction) -> None:
        """The first record of the run."""

    @abstractmethod
    def walk(self) -> Ending:
        """Go until the run ends or pauses."""

    @abstractmethod
    def record_end(self, ending: Ending) -> None:
        """The last record."""

    @abstractmethod
    def where(self) -> tuple[str, int, str]:
        """Node, visit and state, for people."""

    def put_away(self) -> None:
        """The run is over, whatever happened."""
        return
