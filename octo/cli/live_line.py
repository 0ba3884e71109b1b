"""The reporter for a terminal: below what has been printed, a live line for each step that runs.

A thread of its own draws them.
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from octo.cli.printing import can_show, counted, duration
from octo.cli.reporter import Reporter, Running
from octo.cli.screen import StepStream

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text
    from typing_extensions import Self

REDRAW_SECONDS = 0.1
MOST_LINES = 8


class LiveReporter(Reporter):
    """Plain lines, and below them live lines that say what runs now.

    What steps print goes above the live lines: these are wiped first, and stay away while the last line on the
    screen has no end yet (a progress bar, a question).
    """

    sum_up_seconds = 10.0  # the live line counts meanwhile

    def __init__(self, stream: TextIO | None = None, console: Console | None = None) -> None:
        super().__init__(stream)
        from rich.console import Console
        from rich.spinner import Spinner

        self.console = console or Console(file=self.stream, highlight=False)
        self.screen.wipe = self._wipe
        self._spinner = Spinner("dots" if can_show("⠋", self.stream) else "line")
        self._drawn = 0
        self._ended_event = threading.Event()
        self._thread = threading.Thread(target=self._redraw, name="octo-live-line", daemon=True)

    def __enter__(self) -> Self:
        self._streams = sys.stdout, sys.stderr
        sys.stdout = StepStream(self.screen, sys.stdout)
        if sys.stderr.isatty():
            sys.stderr = StepStream(self.screen, sys.stderr)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended_event.set()
        self._thread.join(1)
        with self.screen.lock:
            self._wipe()
        super().__exit__(kind, error, trace)

    def show(self, text: str, mark: int) -> None:
        style = ("green", "red", "yellow", "dim")[mark]

        def print_it(text: str) -> None:
            from rich.text import Text

            line = Text(text)
            if mark != 2:
                line.stylize(style, 9, 10)
            self.console.print(line, soft_wrap=True)

        self.screen.print_line(text, print_it)

    def _redraw(self) -> None:
        while not self._ended_event.wait(REDRAW_SECONDS):
            with self.screen.lock:
                if not self.screen.in_line:
                    self._draw()

    def _draw(self) -> None:
        running = list(self.running.values())
        if not running:
            return self._wipe()
        from rich.text import Text

        most = max(1, min(MOST_LINES, self.console.height - 3))
        done = f"{counted(self.executed, 'step')} done" if not self.steps else self.progress()
        if len(running) == 1:
            lines = [self._line_of(running[0], "" if self.stopping and self.steps else done)]
        else:
            lines = [self._line_of(each) for each in running[:most]]
            more = f"and {len(running) - most} more; " if len(running) > most else ""
            lines.append(Text(f"  {more}{done}", style="dim"))
        if self.stopping and self.steps:
            lines.append(Text(f"  {self.stopping}", style="yellow"))
        self._wipe()
        self.console.print(
            Text("\n").join(lines),
            end="",
            no_wrap=True,
            overflow="ellipsis",
            crop=True,
            width=self.console.width - 4,
        )
        self._drawn = len(lines)
        return None

    def _line_of(self, running: Running, done: str = "") -> Text:
        from rich.text import Text

        now = time.monotonic()
        return Text.assemble(
            str(self._spinner.render(now)),
            " ",
            (self.named(running.name), "bold"),
            "  ",
            self._doing(running, now),
            "  ",
            duration(now - running.entered),
            (f"   {done}" if done else "", "dim"),
        )

    def _doing(self, running: Running, now: float) -> str:
        if self.stopping and not self.steps:
            return self.stopping
        if running.waits and (not self.steps or now < running.again_at):
            return running.waits
        if running.items is not None:
            return f"{running.items_over} of {counted(running.items, 'item')} done"
        if running.seconds is not None:
            return "executed"
        return running.tries or ("in the background" if running.is_background else "running")

    def _wipe(self) -> None:
        if self._drawn:
            from rich.control import Control
            from rich.segment import ControlType

            up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * (self._drawn - 1)
            self.console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up))
            self._drawn = 0
