"""What happened to the steps of a plan, for its picture: from the instance's state, and from events on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from octo.engine.graph import Graph, StepSpec
from octo.engine.retry import Retry
from octo.engine.step_book import (
    CACHED,
    DONE,
    ENDED_WELL,
    FAILED,
    GROUP,
    LEFT_OUT,
    RUNNING,
    SKIPPED,
    STOPPED,
    WAITING,
)

if TYPE_CHECKING:
    from octo.engine.events import Event

STATUSES = (WAITING, RUNNING, DONE, FAILED, SKIPPED, LEFT_OUT, CACHED, STOPPED)


@dataclass
class StepMark:
    """How far one step is. `cpu` (seconds) and `rss` (bytes) are None where they are not known."""

    status: str = WAITING
    seconds: float | None = None
    attempt: int = 0
    error: str = ""
    reason: str = ""
    cpu: float | None = None
    rss: int | None = None
    shared: bool = False
    total: int | None = None
    """How many items there are; None before the list was read."""
    items: dict[int, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    """How many items have which status."""

    def set_item(self, index: int, status: str) -> None:
        before = self.items.get(index)
        if before is not None:
            self.counts[before] -= 1
        self.items[index] = status
        self.counts[status] += 1

    def use(self, usage: Any) -> None:
        """Add what a call used: CPU time is summed up over items, of memory the peak counts."""
        if not isinstance(usage, dict):
            return
        if _is_number(usage.get("cpu")):
            self.cpu = (self.cpu or 0.0) + usage["cpu"]
        if _is_number(usage.get("rss")):
            self.rss = max(self.rss or 0, int(usage["rss"]))
        self.shared = self.shared or bool(usage.get("shared"))


def is_plan(graph: Graph) -> bool:
    """Whether the graph's nodes are steps that wait for one another."""
    return bool(graph.nodes) and all(isinstance(spec, StepSpec) for spec in graph.nodes.values())


def marks_of_steps(graph: Graph, state: Mapping[str, Any]) -> dict[str, StepMark]:
    """The marks of a state. What does not fit (people may edit the file) is left out."""
    entries = state.get(GROUP)
    marks = {}
    for name in graph.nodes:
        entry = entries.get(name) if isinstance(entries, dict) else None
        if isinstance(entry, dict) and entry.get("status") in STATUSES:
            marks[name] = _mark(entry)
    return marks


def _mark(entry: dict[str, Any]) -> StepMark:
    mark = StepMark(entry["status"], reason=str(entry.get("reason") or ""))
    if _is_number(entry.get("seconds")):
        mark.seconds = float(entry["seconds"])
    if type(entry.get("attempt")) is int:
        mark.attempt = entry["attempt"]
    error = entry.get("error")
    if isinstance(error, dict):
        mark.error = str(error.get("type") or "")
    mark.use(entry.get("usage"))
    items = entry.get("items")
    if isinstance(items, dict):
        mark.total = len(items)
        for index, item in items.items():
            if isinstance(item, dict) and str(index).isdecimal() and item.get("status") in STATUSES:
                mark.set_item(int(index), item["status"])
                mark.use(item.get("usage"))
    return mark


def as_the_run_begins(graph: Graph, marks: dict[str, StepMark], event: Event) -> dict[str, StepMark]:
    """The marks once a run has decided what it does: `runs` of its first event names the steps that it runs."""
    runs = event.data.get("runs")
    before = marks if event.data.get("resumed") else {}
    if runs is None:
        return dict(before)
    result = {}
    for name in graph.nodes:
        mark = before.get(name)
        if name in runs:
            same = mark is not None and mark.total is not None and mark.status in (RUNNING, WAITING)
            result[name] = StepMark(WAITING, reason=str(runs[name]))
            if same and mark is not None:  # the items that are done stay so
                result[name].total = mark.total
                for index, status in mark.items.items():
                    result[name].set_item(index, status if status in ENDED_WELL else WAITING)
        else:
            result[name] = mark if mark is not None and mark.status in ENDED_WELL else StepMark(LEFT_OUT)
    return result


def note(graph: Graph, marks: dict[str, StepMark], event: Event) -> bool:
    """Take an event into the marks; whether there was something to take."""
    name, _, rest = event.node.partition("[")
    if event.node in graph.nodes:
        name, rest = event.node, ""
    if name not in graph.nodes:
        return False
    mark = marks.setdefault(name, StepMark())
    index = int(rest[:-1]) if rest[:-1].isdecimal() else -1
    status = _status_after(event)
    if event.kind == "step_fanned_out":
        mark.total = event.data["items"]
    elif event.kind == "step_executed":
        mark.use(event.data.get("usage"))
        if index < 0:
            mark.seconds = event.data.get("seconds")
    elif event.kind == "step_entered" and index < 0:
        mark.status, mark.attempt, mark.error, mark.seconds = RUNNING, 1, "", None
        mark.cpu = mark.rss = None
    elif status and index >= 0:
        mark.set_item(index, status)
    elif status:
        mark.status, mark.reason = status, str(event.data.get("reason") or "")
        if event.kind == "step_failed":
            _note_failure(mark, event)
    else:
        return False
    return True


def _status_after(event: Event) -> str:
    if event.kind == "step_entered":
        return RUNNING
    if event.kind == "step_failed":
        return RUNNING if event.data.get("will_retry") else FAILED
    if event.kind == "step_exited":
        status = event.data.get("status")
        return status if status in STATUSES else ""
    return ""


def _note_failure(mark: StepMark, event: Event) -> None:
    error = event.data.get("error")
    mark.error = str(error.get("type") or "") if isinstance(error, dict) else ""
    attempt = event.data.get("attempt")
    if type(attempt) is int:
        mark.attempt = attempt + bool(event.data.get("will_retry"))


def attempts_of(retry: Any) -> int:
    """How often the step may be tried in all; 1 for a setting that cannot be read."""
    try:
        return Retry.of(retry).attempts
    except (TypeError, AttributeError):
        return 1


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
