"""What happens in a run, told to whoever listens: the console, the log, the picture.

Kinds and what their `data` holds:

    run_started     run_id, resumed, graph, instance, state (as the run begins, without ctx), warnings,
                    runs (of a recipe: the steps that are to run, with reasons; else None)
    step_entered    resumed
    step_fanned_out items (how many; those that are done already are in the state)
    step_executed   seconds, skipped; for a step of a recipe also usage
    step_failed     error (a dict), attempt, attempts, will_retry, delay, arrow
    step_exited     for a step of a recipe: status, and reason where it was not run
    arrow_taken     key, target ("" at the end of the graph)
    breakpoint_hit  where ("entry" or "exit")
    stop_requested  signal
    run_ended       result
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

log = logging.getLogger("octo.engine")


class Event(NamedTuple):
    """One thing that happened; `time` is in seconds since 1970."""

    kind: str
    time: float
    node: str = ""
    visit: int = 0
    data: dict[str, Any] = {}  # nobody writes into it


Subscriber = Callable[[Event], None]


class Events:
    """Tells each event to every subscriber; one that fails is told nothing more, and the run goes on."""

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._subscribers = list(subscribers)
        self._lock = threading.RLock()

    def tell(self, kind: str, node: str = "", visit: int = 0, **data: Any) -> None:
        event = Event(kind, time.time(), node, visit, data)
        with self._lock:  # several steps may run at once; a subscriber hears one thing at a time
            self._tell(event)

    def _tell(self, event: Event) -> None:
        for subscriber in list(self._subscribers):
            try:
                subscriber(event)
            except Exception:
                self._subscribers.remove(subscriber)
                log.warning("%r failed and is told nothing more", subscriber, exc_info=True)
