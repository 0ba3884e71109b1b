"""The memory that Python has allocated, as tracemalloc counts it: correct where blocks are nested.

tracemalloc counts for the whole process and has one peak only. So each block that begins or ends takes note of the
peak for all that are open. Blocks that overlap without being nested see each other's memory: they are `shared`.
"""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

from step_library.kit.measures.measuring import Frame

_lock = threading.Lock()
_running: list[PythonMemory] = []
_is_ours = False
"""It was started here, so it is ended here: when the last block ends."""


class PythonMemory:
    """`mem_start`, `mem_end` and `mem_delta` or `mem_peak`, in bytes; what no block needed is not traced."""

    def __init__(self, *, delta: bool = False, peak: bool = False) -> None:
        self._delta, self._has_peak = delta, peak
        self.start = self.peak = 0

    def begin(self, frame: Frame) -> None:
        global _is_ours
        with _lock:
            if not tracemalloc.is_tracing():
                tracemalloc.start()
                _is_ours = True
            _note()
            tracemalloc.reset_peak()
            self.start = self.peak = tracemalloc.get_traced_memory()[0]
            _running.append(self)

    def end(self, seconds: float) -> dict[str, Any]:
        global _is_ours
        with _lock:
            _note()
            now = tracemalloc.get_traced_memory()[0]
            _running.remove(self)
            if not _running and _is_ours:
                tracemalloc.stop()
                _is_ours = False
        found = {"mem_start": self.start, "mem_end": now}
        if self._delta:
            found["mem_delta"] = now - self.start
        if self._has_peak:
            found["mem_peak"] = max(self.peak, now)
        return found


def _note() -> None:
    """The peak up to now, for all blocks that are open."""
    peak = tracemalloc.get_traced_memory()[1]
    for each in _running:
        each.peak = max(each.peak, peak)
