"""`octo run --debug`: after each step what it changed in ctx, on the console and in `Logs/ctx_debug.log`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octo.cli.history import old_and_new
from octo.store import MISSING, Change

if TYPE_CHECKING:
    from octo.engine.events import Event

LOG = "ctx_debug.log"
MOST = 200
"""Changes of one step that are shown; a step may make millions."""


class CtxDebug:
    """A subscriber of the engine's events; `show` prints a line."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._store: Any = None
        self._log: Path | None = None
        self._seq = 0
        self._changes: dict[int, list[str]] = {}
        self._more: dict[int, int] = {}

    def __call__(self, event: Event) -> None:
        if event.kind == "run_started":
            from octo.store import ParameterStore

            self._store = ParameterStore(event.data["instance"])
            self._log = Path(event.data["instance"]) / "Logs" / LOG
            self._seq = self._store.seq
            self._write([f"run {event.data['run_id']}"])
        elif event.kind in ("step_executed", "step_failed", "step_exited"):
            self._take()
            undone = (event.data.get("error") or {}).get("ctx_undone")
            self._tell(event.node, event.visit, " (undone)" if undone else "")

    def _take(self) -> None:
        """The changes since the last look, by the visit in which they were made."""
        for change in self._store.history(("ctx",), since=self._seq):
            self._seq = max(self._seq, change.seq)
            visit = change.visit
            if not visit:  # not a step's: what the engine took back, what a person changed meanwhile
                continue
            lines = self._changes.setdefault(visit, [])
            if len(lines) < MOST:
                lines.append(f"{_sign(change)} {'/'.join(map(str, change.path[1:])) or '(everything)'}: "
                             f"{old_and_new(change)}")
            else:
                self._more[visit] = self._more.get(visit, 0) + 1

    def _tell(self, name: str, visit: int, undone: str) -> None:
        lines = self._changes.pop(visit, [])
        more = self._more.pop(visit, 0)
        if not lines:
            return
        if more:
            lines.append(f"and {more:,} more")
        told = [f"{name}: ctx {line}{undone}" for line in lines]
        for line in told:
            self._show(f"{' ' * 11}{line}")
        self._write(told)

    def _write(self, lines: list[str]) -> None:
        head = time.strftime("%Y-%m-%d %H:%M:%S")
        assert self._log is not None
        with suppress(OSError), self._log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{head} {line}\n" for line in lines)


def _sign(change: Change) -> str:
    """+ new, - gone, ~ changed."""
    if change.op == "delete":
        return "-"
    return "+" if change.old is MISSING and change.op == "set" else "~"
