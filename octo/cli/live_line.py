"""The reporter for a terminal: one live line below what has been printed, drawn by a thread of its own."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from octo.cli.printing import can_show, counted, duration
from octo.cli.reporter import Reporter

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self

REDRAW_SECONDS = 0.1


class LiveReporter(Reporter):
    """Plain lines, and below them one live line that says what runs now.

    What steps print goes above the live line as it is: the live line is wiped first, and stays away
    while the last line on the screen has no end yet (a progress bar, a question).
    """

    sum_up_seconds = 10.0  # the live line counts meanwhile

    def __init__(self, stream: TextIO | None = None, console: Console | None = None) -> None:
        super().__init__(stream)
        from rich.console import Console
        from rich.spinner import Spinner

        self.console = console or Console(file=self.stream, highlight=False)
        self._spinner = Spinner("dots" if can_show("⠋", self.stream) else "line")
        self._lock = threading.RLock()
        self._drawn = False
        self._in_line = False
        self._pid = os.getpid()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._redraw, name="octo-live-line", daemon=True)

    def __enter__(self) -> Self:
        self._streams = sys.stdout, sys.stderr
        sys.stdout = AboveTheLine(self, sys.stdout)
        if sys.stderr.isatty():
            sys.stderr = AboveTheLine(self, sys.stderr)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(1)
        with self._lock:
            self._wipe()
            if self._in_line:
                self.stream.write("\n")
                self._in_line = False
        sys.stdout, sys.stderr = self._streams
        super().__exit__(kind, error, trace)

    def write_above(self, stream: TextIO, text: str) -> int:
        """Write text of a step to `stream`, unharmed by the live line."""
        if os.getpid() != self._pid:  # a forked child: nobody draws here or opens a lock held at the fork
            return stream.write(text)
        with self._lock:
            self._wipe()
            if text:
                self._in_line = not text.endswith("\n")
            return stream.write(text)

    def show(self, text: str, mark: int) -> None:
        from rich.text import Text

        style = ("green", "red", "yellow", "dim")[mark]
        with self._lock:
            self._wipe()
            if self._in_line:
                self.stream.write("\n")
                self._in_line = False
            line = Text(text)
            if mark != 2:
                line.stylize(style, 9, 10)
            self.console.print(line, soft_wrap=True)

    def _redraw(self) -> None:
        while not self._ended.wait(REDRAW_SECONDS):
            with self._lock:
                if not self._in_line:
                    self._draw()

    def _draw(self) -> None:
        node, entered = self.node, self.entered
        if not node:
            return self._wipe()
        from rich.text import Text

        state = self.waits or ("executed" if self.seconds is not None else "running")
        spinner = self._spinner.render(time.monotonic())
        line = Text.assemble(
            str(spinner),
            " ",
            (self.named(node), "bold"),
            "  ",
            state,
            "  ",
            duration(time.monotonic() - entered),
            (f"   {counted(self.executed, 'step')} done", "dim"),
        )
        self._wipe()
        self.console.print(
            line, end="", no_wrap=True, overflow="ellipsis", crop=True, width=self.console.width - 4
        )
        self._drawn = True
        return None

    def _wipe(self) -> None:
        if self._drawn:
            from rich.control import Control
            from rich.segment import ControlType

            self.console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
            self._drawn = False


class AboveTheLine:
    """A stream that writes above the live line."""

    def __init__(self, reporter: LiveReporter, stream: TextIO) -> None:
        self._reporter = reporter
        self._stream = stream

    def write(self, text: str) -> int:
        return self._reporter.write_above(self._stream, text)

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
