"""Blocks of code that are measured: the one core of step_timer, step_audit, trace_step, profile_ctx, resource_monitor.

`blocks` makes of it what can be used by `with` and as a decorator.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from octo.executors.outcome import describe
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx

log = logging.getLogger("octo.steps")


@dataclass(eq=False)
class Frame:
    """A block that is open. `outer` are those around it, outermost first.

    `shared`: another overlapped it without being nested (threads, tasks), so that it was measured with it.
    """

    key: str
    step: str
    thread: int
    outer: tuple[Frame, ...]
    shared: bool = False


class Probe(Protocol):
    """What is measured beside the time."""

    def begin(self, frame: Frame) -> None: ...

    def end(self, seconds: float) -> dict[str, Any]: ...


_lock = threading.Lock()
_measured: list[Frame] = []
"""Those open in any thread that measure more than the time."""
_open: ContextVar[tuple[Frame, ...]] = ContextVar("octo_measured", default=())


@contextmanager
def measure(
    ctx: Ctx,
    key: str,
    step: str,
    *,
    fields: Mapping[str, Any] | None = None,
    probes: Sequence[Probe] = (),
    status: tuple[str, str] | None = None,
    details: bool = False,
    to_log: bool = False,
    keep: int | None = None,
    then: Callable[[dict[str, Any]], object] | None = None,
) -> Iterator[dict[str, Any]]:
    """Append `{step, **fields, start, end, duration, …}` to `ctx[key]` when the block ends, however it ends.

    `status`: the words for well and not. An exception goes on, its message is kept as `error`. What is put into the
    dict that is handed out is added to the record. `details` adds the enclosing block, depth, thread and CPU time.
    `then` is called with the record.
    """
    records.check_list(ctx, key, keep)
    if to_log:
        records.check_list(ctx, "log")
    outer = _open.get()
    frame = Frame(key, step, threading.get_ident(), outer)
    token = _open.set((*outer, frame))
    more: dict[str, Any] = {}
    raised: BaseException | None = None
    begun: list[Probe] = []
    if probes:
        _add(frame)
    try:
        for probe in probes:
            probe.begin(frame)
            begun.append(probe)
        start, began, cpu = time.time(), time.perf_counter(), time.thread_time()
        try:
            yield more
        except BaseException as error:
            raised = error
            raise
        finally:
            seconds, used = time.perf_counter() - began, time.thread_time() - cpu
            record = {"step": step, **(fields or {})}
            if status:
                record["status"] = status[0] if raised is None else status[1]
            record |= {"start": start, "end": time.time(), "duration": seconds}
            while begun:
                record |= begun.pop(0).end(seconds)
            if frame.shared:
                record["shared"] = True
            if details:
                around = [each.step for each in outer if each.key == key]
                record |= {"parent": around[-1] if around else None, "path": "/".join([*around, step]),
                           "depth": len(around), "thread": threading.current_thread().name, "cpu": max(0.0, used)}
            record |= {name: records.safe(value) for name, value in more.items()}
            if raised is not None:
                said = describe(raised)
                record["error"] = said["message"]
                if details:
                    record["traceback"] = said["traceback"]
            _write(ctx, key, record, raised, to_log, keep, then)
    finally:
        for probe in begun:
            probe.end(0.0)
        if probes:
            with _lock:
                _measured.remove(frame)
        with suppress(ValueError):  # it ended in another task than it began in
            _open.reset(token)


def _add(frame: Frame) -> None:
    with _lock:
        for other in _measured:
            if other not in frame.outer or other.thread != frame.thread:
                frame.shared = other.shared = True
        _measured.append(frame)


def _write(ctx: Ctx, key: str, record: dict[str, Any], raised: BaseException | None, to_log: bool, keep: int | None,
           then: Callable[[dict[str, Any]], object] | None) -> None:
    try:
        records.append(ctx, key, record, keep)
        if to_log:
            how = f"{record['duration']:.3f} s"
            msg = f"done in {how}" if raised is None else f"failed after {how}: {record['error']}"
            records.log(ctx, msg, "INFO" if raised is None else "ERROR", step=record["step"])
        if then is not None:
            then(record)
    except Exception:
        if raised is None:
            raise
        log.exception("%s: the record of a block that failed could not be written to ctx[%r]", record["step"], key)
