"""What a worker keeps between bodies: its copy of ctx, kept up to date by the journal's tail, and the path."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from octo import resolve, scriptlet
from octo.context import Context
from octo.live import Access
from octo.store import MISSING, Author, writing_as
from octo.store.author import ENVIRONMENT_NAME
from octo.store.layout import instance_layout
from octo.store.memory import MemoryState
from octo.store.state_file import StateFile

from .outcome import as_json, describe
from .usage import MAXRSS_UNIT, Usage
from .wire import Message

if sys.platform != "win32":
    import resource


class Workbench:
    """Runs one body after another, each on its own changes to one copy of the state."""

    def __init__(self, start: Message, here: str) -> None:
        self._instance = Path(start["instance"])
        self._directory = start["directory"]
        self._marker = start["marker"].encode() + b"\n"
        sys.path[:] = [*start["sys_path"], *([here] if here not in start["sys_path"] else [])]
        os.chdir(self._directory)
        resolve.install(start["path"])
        # Not the one that this process shares: what a body writes by the documented class must not move this copy.
        self._file = StateFile(instance_layout(self._instance, MISSING))
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        logging.getLogger().addHandler(handler)
        logging.getLogger("octo.step").setLevel(logging.DEBUG)

    def run(self, request: Message, stop: threading.Event, begun: Callable[[], None]) -> Message:
        """Run the body that is asked for; the reply for the engine."""
        author = Author(request["who"], request["visit"], request["call"], self._instance)
        os.environ[ENVIRONMENT_NAME] = author.to_environment()
        with suppress(FileNotFoundError):
            os.chdir(self._directory)  # the last body may have gone elsewhere
        with self._copy(wanted=request["args"] is None) as (memory, older):
            access = Access(memory, author, stop, tracked=request["tracked"])
            memory.is_copy = True
            begun()
            meter = _Meter()
            try:
                with writing_as(author):
                    body = resolve.resolve(request["target"])
                    value = scriptlet.call(body, Context.on(access), request["params"], request["args"])
                    result, other = as_json(value)
                reply: Message = {"value": result, "other": other, "ops": _all(older.after(memory))}
            except BaseException as error:
                reply = {"error": describe(error), "ops": _lasting(older.after(memory))}
            finally:
                access.closed = True
            reply["usage"] = meter.usage()
            return reply

    @contextmanager
    def _copy(self, *, wanted: bool) -> Iterator[tuple[MemoryState, _Older]]:
        """The newest state, for one body. Nothing is copied: see MemoryState."""
        if not wanted:
            yield MemoryState({}), _Older(self._file, 0)
            return
        with self._file.reading() as tree:
            root, seq = tree.freeze(), self._file.journal.seq
        older = _Older(self._file, seq)
        try:
            yield MemoryState(root, seq=seq, before=older), older
        finally:
            tree.thaw()

    def end_output(self) -> None:
        """Tell the engine's reader of this output that all of the body is there."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # the body may have closed it
                stream.flush()
        with suppress(OSError):
            os.write(2, self._marker)


class _Older:
    """The history before a body, read from the journal when the body asks for it."""

    def __init__(self, file: StateFile, seq: int) -> None:
        self._file = file
        self._seq = seq
        self._is_wanted = True

    def __call__(self) -> Iterable[dict[str, Any]]:
        if not self._is_wanted:
            return ()
        return (line for line in self._file.lines() if "ops" in line and line["seq"] <= self._seq)

    def after(self, memory: MemoryState) -> list[dict[str, Any]]:
        """The lines of the body itself."""
        self._is_wanted = False
        return list(memory.lines())


def _all(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [op for line in lines for op in line["ops"]]


def _lasting(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of a body that failed: what was there at its last checkpoint, and the records."""
    kept = max((line["seq"] for line in lines if "checkpoint" in line), default=0)
    return [op for line in lines for op in line["ops"] if line["seq"] <= kept or op.get("record")]


class _Meter:
    """Exact usage of one body: this process does nothing else meanwhile. Programs that it waited for count."""

    def __init__(self) -> None:
        if sys.platform == "linux":
            with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # the peak of memory begins anew
        self._wall, self._cpu = time.perf_counter(), self._cpu_now()

    def usage(self) -> dict[str, Any]:
        used = Usage(time.perf_counter() - self._wall, self._cpu_now() - self._cpu, self._peak())
        return {"wall": used.wall, "cpu": used.cpu, "rss": used.rss}

    def _cpu_now(self) -> float:
        if sys.platform == "win32":
            return sum(os.times()[:2])
        both = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(used.ru_utime + used.ru_stime for used in both)

    def _peak(self) -> int:
        if sys.platform == "linux":  # not ru_maxrss: that began with the memory of the engine
            with suppress(OSError, ValueError, IndexError), open("/proc/self/status", "rb") as file:
                return int(file.read().split(b"VmHWM:", 1)[1].split(None, 1)[0]) * 1024
        if sys.platform != "win32":
            return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT)
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
