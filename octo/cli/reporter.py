"""What a person sees of a run: a line for each step (`live_line` adds those for the steps that run).

A reporter is a subscriber of the engine's events. It must cost next to nothing: a fast loop, or a thousand quick
steps, are summed up instead of printed one by one.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from octo.cli.printing import as_text, can_show, counted, duration
from octo.cli.screen import Screen, StepStream

if TYPE_CHECKING:
    from typing_extensions import Self

    from octo.engine.events import Event

LINES_A_SECOND = 20
SLOW_STEP = 0.5  # seconds; such a step always gets its line
_OVER = ("DONE", "CACHED", "SKIPPED")


@dataclass
class Running:
    """A step that runs now, or an item of one."""

    name: str
    entered: float
    seconds: float | None = None
    skipped: bool = False
    waits: str = ""
    again_at: float = 0.0
    tries: str = ""
    """`try 2 of 3`, from the second on."""
    is_background: bool = False
    items: int | None = None
    """How many items it runs for, of which `items_over` have ended."""
    items_over: int = 0


class Reporter:
    """Plain lines: one for each executed step; fast loops are summed up once a second."""

    sum_up_seconds = 1.0

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream: TextIO = stream or sys.stdout
        self.screen = Screen(self.stream)
        self.running: dict[str, Running] = {}
        self.steps: dict[str, Any] = {}
        """The steps of a recipe; empty for a step library."""
        self.over: set[str] = set()
        """Of these, the ones that are behind the run."""
        self.visits: dict[str, int] = {}
        self.stopping = ""
        self.executed = 0
        self._instance: Any = None
        self._since = 0.0
        self._steps = 0
        self._new_nodes = 0
        self._summing = False
        self._left_out: dict[str, int] = {}
        self._streams: tuple[TextIO, TextIO] | None = None
        fancy = can_show("✓✗•…", self.stream)
        self.marks = ("✓", "✗", "•", "…") if fancy else ("+", "x", "*", "...")

    def __enter__(self) -> Self:
        if self.stream is sys.stdout:
            self._streams = sys.stdout, sys.stderr
            sys.stdout, sys.stderr = StepStream(self.screen, sys.stdout), StepStream(self.screen, sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sum_up()
        with suppress(BrokenPipeError):
            self.screen.end_of("")
            self.screen.end_line()
        if self._streams is not None:
            sys.stdout, sys.stderr = self._streams

    def __call__(self, event: Event) -> None:
        take = getattr(self, event.kind, None)
        if take is not None:
            take(event)

    # --- events, by their names

    def run_started(self, event: Event) -> None:
        from octo.engine.graph import StepSpec

        state = event.data["state"]
        nodes = event.data["graph"].nodes
        self.steps = {name: spec for name, spec in nodes.items() if isinstance(spec, StepSpec)}
        self._instance = event.data["instance"]
        engine = state.get("engine", {})
        if not self.steps:
            self.visits = dict(engine.get("visits") or {})
            if event.data["resumed"]:
                self.line(2, str(engine.get("node", "")), f"the run goes on here ({engine.get('state', '')})")
        elif event.data["resumed"]:
            entries = state.get("steps") or {}
            self.over = {name for name in self.steps if name not in (event.data["runs"] or ())
                         and entries.get(name, {}).get("status") in _OVER}
            self.show(f"{time.strftime('%H:%M:%S')} {self.marks[2]} the run goes on: {self.progress()}", 2)

    def stop_requested(self, event: Event) -> None:
        what = "the steps that run have" if self.steps else "this method has"
        self.stopping = f"stops when {what} ended; Ctrl-C again stops at once"
        with suppress(RuntimeError):  # the signal may have come in the middle of a write
            what = str(event.data.get("signal", "")).replace("SIGINT", "Ctrl-C") if self.steps else event.node
            self.line(2, what, self.stopping)

    def step_entered(self, event: Event) -> None:
        running = Running(event.node, time.monotonic())
        if not self.steps:
            self.running = {event.node: running}  # a library's graph has one current node
            self.stopping = ""
            if not event.data["resumed"]:
                self.visits[event.node] = self.visits.get(event.node, 0) + 1
            return
        name, _, index = event.node.partition("[")
        spec = self.steps.get(name)
        self.running[event.node] = running
        if index and name in self.running and self.running[name].items is None:
            self.running[name].items = self._items_of(name)
        if spec is not None and spec.background:
            running.is_background = True
            self.line(2, event.node, "runs in the background")
        self.screen.several = len(self.running) > 1

    def step_executed(self, event: Event) -> None:
        running = self._running(event.node)
        running.seconds, running.skipped = event.data.get("seconds"), bool(event.data.get("skipped"))
        running.waits = ""
        self.executed += 1

    def step_exited(self, event: Event) -> None:
        running = self._leaves(event.node)
        mark, text = self._ended(running, event.data)
        if (running.seconds or 0.0) < SLOW_STEP and not self._may_print(event.node):
            self._left_out[event.node] = self._left_out.get(event.node, 0) + 1
            return
        self.sum_up()
        self.line(mark, event.node, text)

    def step_failed(self, event: Event) -> None:
        running = self._running(event.node)
        error = event.data.get("error") or {}
        text = f"{error.get('type', 'error')}: {as_text(_first_line(error.get('message', '')))}"
        if event.data.get("will_retry"):
            delay, attempt, attempts = (event.data.get(key) or 0 for key in ("delay", "attempt", "attempts"))
            again = f"again in {duration(delay)}" if delay else "again"
            running.waits = f"try {attempt} of {attempts} failed, {again}"
            running.again_at = time.monotonic() + delay
            running.tries = f"try {attempt + 1} of {attempts}"
            text += f" ({running.waits})"
        else:
            if event.data.get("arrow"):
                text += " (takes its failure arrow)"
            self._leaves(event.node)
            spec = self.steps.get(event.node)
            if spec is not None and spec.allow_failure:
                text += " (allowed)"
        self.sum_up()
        self.line(1, event.node, text)

    def breakpoint_hit(self, event: Event) -> None:
        self.sum_up()
        self.line(2, event.node, f"breakpoint at {event.data.get('where', 'entry')}")

    def run_ended(self, event: Event) -> None:
        self.running = {}
        self.sum_up()

    # --- what runs

    def _running(self, name: str) -> Running:
        return self.running.get(name) or Running(name, time.monotonic())

    def _leaves(self, name: str) -> Running:
        """It has ended. A library's node stays the current one until the next is entered."""
        self.screen.end_of(name)
        if not self.steps:
            return self._running(name)
        running = self.running.pop(name, None) or Running(name, time.monotonic())
        step, _, index = name.partition("[")
        if not index:
            self.over.add(name)
        elif step in self.running:
            self.running[step].items_over += 1
        self.screen.several = len(self.running) > 1
        return running

    def _items_of(self, step: str) -> int | None:
        from octo.store import ParameterStore

        file = ParameterStore(self._instance)._state_file
        return file.look(("steps", step, "items"), lambda items: len(items) if isinstance(items, dict) else None)

    def _ended(self, running: Running, data: dict[str, Any]) -> tuple[int, str]:
        """How it ended: the mark and the words."""
        status, reason = data.get("status"), str(data.get("reason") or "")
        if status == "CACHED":
            return 0, reason or "cached"
        if status == "SKIPPED" or running.skipped:
            return 2, "skipped" + (f" ({reason})" if reason else "")
        if running.seconds is None and status == "STOPPED":
            return 2, "stopped" + (f" ({reason})" if reason else "")
        if running.seconds is None:
            return 0, "executed before"
        text = duration(running.seconds)
        if status == "STOPPED":
            return 2, f"stopped after {text}"
        if running.items is not None:
            text += f"  ({counted(running.items, 'item')})"
        return 0, text + (f"  ({running.tries})" if running.tries else "")

    def progress(self) -> str:
        """`3 of 7 steps are done`."""
        verb = "is" if len(self.steps) == 1 else "are"
        return f"{len(self.over):,} of {counted(len(self.steps), 'step')} {verb} done"

    # --- printing

    def line(self, mark: int, node: str, text: str) -> None:
        """One line for good."""
        self.show(f"{time.strftime('%H:%M:%S')} {self.marks[mark]} {self.named(node):<24} {text}", mark)

    def named(self, node: str) -> str:
        """The node, from its second visit on with their number."""
        visits = self.visits.get(node, 0)
        return node if visits <= 1 else f"{node} #{visits}"

    def show(self, text: str, mark: int) -> None:
        self.screen.print_line(text)

    def sum_up(self) -> None:
        """Say how many visits were not printed one by one."""
        if not self._left_out:
            return
        number, nodes = sum(self._left_out.values()), list(self._left_out)
        self._left_out = {}
        if self.steps:
            text = f"{counted(number, 'more step')} ended"
        else:
            of = nodes[0] if len(nodes) == 1 else counted(len(nodes), "node")
            text = f"{counted(number, 'more visit')} of {of}"
        self.show(f"{' ' * 8} {self.marks[3]} {text}", 2)

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

    def __enter__(self) -> Self:
        return self

    def __call__(self, event: Event) -> None:
        pass


def _first_line(text: str) -> str:
    return str(text).split("\n", 1)[0]
