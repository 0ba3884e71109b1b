"""What a person sees of a run: a line for each step (`live_line` adds the one for the step that runs).

A reporter is a subscriber of the engine's events. It must cost next to nothing: a fast loop is
summed up instead of printed visit by visit.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from octo.cli.printing import can_show, counted, duration

if TYPE_CHECKING:
    from typing_extensions import Self

    from octo.engine.events import Event

LINES_A_SECOND = 20
SLOW_STEP = 0.5  # seconds; such a step always gets its line


def make_reporter(*, quiet: bool) -> Reporter:
    """The reporter for this process's standard output."""
    if quiet:
        return QuietReporter()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from octo.cli.live_line import LiveReporter

        return LiveReporter()
    return Reporter()


class Reporter:
    """Plain lines: one for each executed step; fast loops are summed up once a second."""

    sum_up_seconds = 1.0

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream: TextIO = stream or sys.stdout
        self.node = ""
        self.visits: dict[str, int] = {}
        self.entered = 0.0
        self.seconds: float | None = None
        self.skipped = False
        self.waits = ""
        self.executed = 0
        self._since = 0.0
        self._steps = 0
        self._new_nodes = 0
        self._summing = False
        self._left_out: dict[str, int] = {}
        fancy = can_show("✓✗•…", self.stream)
        self.marks = ("✓", "✗", "•", "…") if fancy else ("+", "x", "*", "...")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sum_up()

    def __call__(self, event: Event) -> None:
        take = getattr(self, event.kind, None)
        if take is not None:
            take(event)

    # --- events, by their names

    def run_started(self, event: Event) -> None:
        engine = event.data["state"].get("engine", {})
        self.visits = dict(engine.get("visits") or {})
        if event.data["resumed"]:
            self.line(2, str(engine.get("node", "")), f"the run goes on here ({engine.get('state', '')})")

    def stop_requested(self, event: Event) -> None:
        self.waits = "stops when this method has ended; Ctrl-C again stops at once"
        with suppress(RuntimeError):  # the signal may have come in the middle of a write
            self.line(2, self.node, self.waits)

    def step_entered(self, event: Event) -> None:
        self.node, self.entered, self.seconds, self.waits = event.node, time.monotonic(), None, ""
        self.skipped = False
        if not event.data["resumed"]:
            self.visits[event.node] = self.visits.get(event.node, 0) + 1

    def step_executed(self, event: Event) -> None:
        self.seconds, self.skipped, self.waits = (
            event.data.get("seconds"),
            bool(event.data.get("skipped")),
            "",
        )
        self.executed += 1

    def step_exited(self, event: Event) -> None:
        seconds = self.seconds or 0.0
        if seconds < SLOW_STEP and not self._may_print(event.node):
            self._left_out[event.node] = self._left_out.get(event.node, 0) + 1
            return
        self.sum_up()
        text = "skipped" if self.skipped else "executed before" if self.seconds is None else duration(seconds)
        self.line(2 if self.skipped else 0, event.node, text)

    def step_failed(self, event: Event) -> None:
        error = event.data.get("error") or {}
        text = f"{error.get('type', 'error')}: {_first_line(error.get('message', ''))}"
        if event.data.get("will_retry"):
            delay = event.data.get("delay") or 0
            again = f"again in {duration(delay)}" if delay else "again"
            self.waits = f"try {event.data.get('attempt')} of {event.data.get('attempts')} failed, {again}"
            text += f" ({self.waits})"
        elif event.data.get("arrow"):
            text += " (takes its failure arrow)"
        self.sum_up()
        self.line(1, event.node, text)

    def breakpoint_hit(self, event: Event) -> None:
        self.sum_up()
        self.line(2, event.node, f"breakpoint at {event.data.get('where', 'entry')}")

    def run_ended(self, event: Event) -> None:
        self.node = ""
        self.sum_up()

    # --- printing

    def line(self, mark: int, node: str, text: str) -> None:
        """One line for good."""
        self.show(f"{time.strftime('%H:%M:%S')} {self.marks[mark]} {self.named(node):<24} {text}", mark)

    def named(self, node: str) -> str:
        """The node, from its second visit on with their number."""
        visits = self.visits.get(node, 0)
        return node if visits <= 1 else f"{node} #{visits}"

    def show(self, text: str, mark: int) -> None:
        with suppress(BrokenPipeError):  # nobody reads any more; the run goes on
            self.stream.write(text + "\n")
            self.stream.flush()

    def sum_up(self) -> None:
        """Say how many visits were not printed one by one."""
        if not self._left_out:
            return
        number, nodes = sum(self._left_out.values()), list(self._left_out)
        self._left_out = {}
        of = nodes[0] if len(nodes) == 1 else counted(len(nodes), "node")
        self.show(f"{' ' * 8} {self.marks[3]} {counted(number, 'more visit')} of {of}", 2)

    def _may_print(self, node: str) -> bool:
        """Whether a fast step gets a line: not while there are more of them than a person can read."""
        now = time.monotonic()
        if now - self._since >= (self.sum_up_seconds if self._summing else 1.0):
            self._summing = self._summing and self._steps >= LINES_A_SECOND * (now - self._since)
            self.sum_up()
            self._since, self._steps, self._new_nodes = now, 0, 0
        self._steps += 1
        self._summing = self._summing or self._steps > LINES_A_SECOND
        if self._summing and self.visits.get(node) == 1 and self._new_nodes < LINES_A_SECOND:
            self._new_nodes += 1
            return True
        return not self._summing


class QuietReporter(Reporter):
    """Prints nothing."""

    def __call__(self, event: Event) -> None:
        pass


def _first_line(text: str) -> str:
    return str(text).split("\n", 1)[0]
