"""One unit of a plan on its way: a step, or one item of a step that fans out, attempt by attempt."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from octo.access import Access
from octo.context import Context
from octo.errors import CtxClash, OctoError
from octo.executors.usage import Meter
from octo.store import MISSING, Transaction, checked

from .dag import Unit
from .dag_state import Fan, PlanState
from .outcome import Outcome
from .step_book import (
    CACHED,
    DONE,
    FAILED,
    OVER,
    RUNNING,
    SKIPPED,
    STOPPED,
    WAITING,
    kept_result,
    place_of,
    shown_name,
    write,
)
from .walk import ENGINE
from .work import Cached

log = logging.getLogger("octo.engine")


def start_unit(walk: PlanState, unit: Unit) -> UnitRun:
    """The unit counts as running from now on. The caller holds the lock."""
    walk.dag.start(unit)
    walk.visit += 1
    run = UnitRun(walk, unit, walk.dag.spec(unit), walk.visit)
    if not run.spec.background:
        walk.units[unit] = run
    return run


class UnitRun(Outcome):
    """Runs one unit to its end and tells the walk. Used by one thread."""

    def go(self) -> None:
        """Run it to its end, whatever that is."""
        walk, work = self.walk, self.spec.work
        before = self.take_over()
        made = self.made(before)
        fans_out = self.spec.fans_out and self.unit.item < 0
        walk.frame.events.tell("step_entered", self.name, self.visit, resumed=self.resumed)
        cached = None
        if work.looks or fans_out:
            walk.flush()  # it may look at the results of steps that have just ended
            try:
                if fans_out and before.get("items"):
                    return self._fan_out(before, [])
                if work.looks and made == 0 and self.unit.item < 0:
                    why = work.skips(self.looking())
                    if why:
                        return self.over(SKIPPED, reason=why)
                if fans_out:
                    items = checked(work.items(self.looking()), (self.spec.name, "for_each"))
                    return self._fan_out(before, items)
                if work.looks and made == 0:
                    cached = work.cached(self.looking())
            except Exception as error:
                self.begin(made + 1)
                self.fails(error, made + 1, can_retry=False)
                return None
        if cached is not None:
            return self._take_cached(cached)
        return self._attempts(made)

    def _attempts(self, made: int) -> None:
        while True:
            made += 1
            self.begin(made)
            started = time.perf_counter()
            meter = Meter()
            error: BaseException | None = None
            try:
                with meter:
                    value = self.work(made)
            except KeyboardInterrupt:
                if threading.current_thread() is threading.main_thread():
                    raise
                error = OctoError("KeyboardInterrupt in a thread")
            except BaseException as problem:  # SystemExit too, and what asyncio raises
                error = problem
            self.usage = meter.usage.as_dict() if self.current.usage is None else self.current.usage
            if error is None:
                clash = self.succeeds(value, time.perf_counter() - started)
                if clash is None:
                    return
                error = clash
            if self.spec.background and self.stop.is_set():
                return self._stopped(error)
            if not self.fails(error, made):
                return

    def _stopped(self, error: BaseException) -> None:
        """A background step that was asked to stop may end as it likes."""
        if not self.is_left:
            log.warning("%s raised when it was to stop: %s: %s", self.name, type(error).__name__, error)
        self.over(STOPPED, reason=f"it raised {type(error).__name__} when it was to stop")

    # -- an earlier result -------------------------------------------------------------------------

    def _take_cached(self, cached: Cached) -> None:
        """Apply what an earlier run of the step did."""
        self.begin(1)
        walk, author, started = self.walk, self.author(self.call), self.started
        whole = self.unit.item >= 0 and bool(self.spec.work.collects())

        def note(tx: Transaction) -> None:
            entry = {"status": CACHED, "attempt": 1, "start": started, "end": time.time(), "seconds": 0.0,
                     "result": kept_result(cached.result, whole=whole), **self.entry, "reason": cached.reason,
                     "visit": self.visit, "calls": [*self.calls, self.call]}
            write(tx, self.spec.name, self.unit.item, entry, fans_out=self.spec.fans_out)
            tx.flags.setdefault("end", []).append(self.call)

        clash: CtxClash | None = None
        try:
            with self.file.transaction(author.who, author, later=True) as tx:
                if self.spec.parallel and tx.touches is None:
                    tx.touches = []
                replay(tx, cached.ops)
        except OctoError as error:
            self.fails(error, 1, can_retry=False)
            return
        with walk.lock:
            losers: list[Any] = []
            if self.spec.parallel:
                clash = self.settle(losers)
            if clash is None:
                walk.pending.append(note)
                self.commit(losers)
        if clash is not None:
            self.fails(clash, 1, can_retry=False)
            return
        self.stop_at_exit()
        walk.frame.events.tell("step_exited", self.name, self.visit, status=CACHED, reason=cached.reason)
        self.tell_plan(CACHED, cached.result)

    # -- fan-out -----------------------------------------------------------------------------------

    def _fan_out(self, before: dict[str, Any], items: list[Any]) -> None:
        """The step becomes one unit an item; the list is read once and kept in the file."""
        walk, spec = self.walk, self.spec
        kept = before.get("items") or {}
        if kept:
            items = [kept[str(index)].get("item") for index in range(len(kept))]
        done = {index for index in range(len(items)) if kept.get(str(index), {}).get("status") in OVER}
        fan = Fan(items, len(items) - len(done), time.time(),
                  {index: kept[str(index)].get("result") for index in done})
        walk.frame.events.tell("step_fanned_out", self.name, self.visit, items=len(items))
        with walk.lock:
            self.refuse_once_over()
            with self.file.transaction(ENGINE, later=True) as tx:
                walk.write_pending(tx)
                entry = {"status": RUNNING, "attempt": 1, "start": fan.started, **self.entry, "visit": self.visit}
                if self.calls:
                    entry["calls"] = self.calls
                write(tx, spec.name, -1, entry, fans_out=True)
                if not kept:
                    tx.set((*place_of(spec.name), "items"),
                           {str(index): {"item": item, "status": WAITING} for index, item in enumerate(items)})
                tx.set(("engine", "visit"), self.visit)
            walk.fans[self.unit.position] = fan
            if fan.left:
                walk.ended(self)
                walk.dag.fan_out(self.unit.position, [index for index in range(len(items)) if index not in done])
        if not fan.left:
            self._fan_is_over(fan)
            with walk.lock:
                walk.ended(self)

    def _fan_is_over(self, fan: Fan) -> None:
        """The last item has ended: the step itself does."""
        step = UnitRun(self.walk, Unit(self.unit.position), self.spec, self.visit)
        step.take_over()
        step.started, step.attempt, step.stop = fan.started, 1, self.stop
        step._ends_fan(fan)

    def _ends_fan(self, fan: Fan) -> None:
        if fan.errors:
            errors = "; ".join(f"{shown_name(self.spec.name, index)}: {error}"
                               for index, error in sorted(fan.errors.items()))
            error = OctoError(f"{len(fan.errors)} of {len(fan.items)} items failed: {errors}")
            self.fails(error, 1, can_retry=False)
            return
        results = [fan.results[index] for index in range(len(fan.items))]
        key = self.spec.work.collects()
        if key:
            with self.walk.lock, self.file.transaction(ENGINE, self.author(0), later=True) as tx:
                self.walk.write_pending(tx)
                self.call = self.open_call(tx)
            try:
                Context.on(Access(self.file, self.author(self.call), tracked=self.spec.parallel)).set(key, results)
            except OctoError as error:
                self.fails(error, 1, can_retry=False)
                return
        self.current = self.looking()
        clash = self.succeeds(results, time.time() - fan.started)
        if clash is not None:
            self.fails(clash, 1, can_retry=False)

    # -- the plan ----------------------------------------------------------------------------------

    def tell_plan(self, status: str, value: Any, error: dict[str, Any] | None = None, *,
                  seconds: float | None = None) -> None:
        """It is over. An item that is the last one counts as running until its step is over too."""
        walk, position = self.walk, self.unit.position
        fan = None
        with walk.lock:
            if seconds is not None:
                walk.frame.tally.steps += status == DONE
                walk.frame.tally.count(self.spec.name, seconds)
            if self.unit.item >= 0:
                fan = walk.fans[position]
                fan.left -= 1
                if status == FAILED:
                    fan.errors[self.unit.item] = f"{error['type']}: {error['message']}" if error else status
                else:
                    fan.results[self.unit.item] = value
            elif status != FAILED or self.spec.allow_failure:
                walk.dag.met(position)
            else:
                walk.dag.failed(position)
                walk.plan_is_less()
            if fan is None or fan.left:
                walk.ended(self)
        if fan is not None and not fan.left:
            self._fan_is_over(fan)
            with walk.lock:
                walk.ended(self)


def replay(tx: Transaction, ops: list[dict[str, Any]]) -> None:
    """Make changes that were made elsewhere, such as in a worker's copy of ctx; InvalidValue where one does not fit."""
    for op in ops:
        kind, path = op["op"], tuple(op["path"])
        record = bool(op.get("record"))
        if kind == "set" and "wanted" in op:
            tx.setdefault(path, op["wanted"])
        elif kind == "set":
            tx.record(path, op["value"]) if record else tx.set(path, op["value"])
        elif kind == "delete":
            if tx.peek(path, MISSING) is not MISSING:
                tx.delete(path)
        elif kind == "increment":
            tx.increment(path, op["by"])
        elif kind == "append":
            tx.append(path, op["values"], record=record, keep=op.get("keep"))
        else:
            tx.splice(path, op["start"], op["count"], op["items"], record=record)
