"""One unit of a plan on its way: a step, or one item of a step that fans out, attempt by attempt.

The record that begins an attempt is written before its work is called, the one that ends it commits what it did to
ctx. A failed attempt is undone in the record that writes its error.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from octo.access import Access
from octo.context import Context
from octo.errors import CtxClash, OctoError
from octo.executors.usage import Meter
from octo.store import GLOBAL, MISSING, Author, Transaction, checked, writing_as
from octo.store.author import ENVIRONMENT_NAME
from octo.store.undo import undo_call, undo_calls

from .clash import Place, Writes, in_words
from .dag import Unit
from .ending import Ending
from .failure import describe
from .graph import StepSpec
from .retry import Retry
from .step_book import (
    CACHED,
    DONE,
    ENDED_WELL,
    FAILED,
    RUNNING,
    SKIPPED,
    STOPPED,
    WAITING,
    kept_result,
    place_of,
    shown_name,
    write,
)
from .timeout import call_within
from .walk import ENGINE
from .work import Cached, Call

if TYPE_CHECKING:
    from .dag_walk import DagWalk

log = logging.getLogger("octo.engine")


@dataclass
class Fan:
    """A step that fans out: what its items came to so far."""

    items: list[Any]
    left: int
    started: float
    results: dict[int, Any] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)


class UnitRun:
    """Runs one unit to its end and tells the walk. Used by one thread."""

    def __init__(self, walk: DagWalk, unit: Unit, spec: StepSpec, visit: int) -> None:
        self.walk, self.unit, self.spec, self.visit = walk, unit, spec, visit
        self.name = shown_name(spec.name, unit.item)
        self.file = walk.file
        self.stop = walk.frame.stopping.event
        self.entry: dict[str, Any] = {}
        self.call = 0
        self.calls: list[int] = []
        """The calls whose effect on ctx stands."""
        self.attempt = 0
        self.started = time.time()
        self.kept: list[Any] = []
        """What failed attempts had done before a checkpoint of theirs."""
        self.access: Access | None = None
        self.is_left = False
        """Its body was left behind: however it ends, nobody is told."""
        self.resumed = False

    # -- the whole ---------------------------------------------------------------------------------

    def go(self) -> None:
        """Run it to its end, whatever that is."""
        walk, work = self.walk, self.spec.work
        before = self._before()
        self.resumed = before.get("status") == RUNNING
        made = self._made(before)
        walk.frame.events.tell("step_entered", self.name, self.visit, resumed=self.resumed)
        if work.looks and made == 0:
            try:
                if self.unit.item < 0:
                    why = work.skips(self._looking())
                    if why:
                        return self._over(SKIPPED, reason=why)
                    if self.spec.fans_out:
                        return self._fan_out(before)
                cached = work.cached(self._looking())
            except Exception as error:
                self._begin(made + 1)
                self._fails(error, made + 1, can_retry=False)
                return
            if cached is not None:
                return self._take_cached(cached)
        elif self.spec.fans_out and self.unit.item < 0:
            return self._fan_out(before)
        self._attempts(made)

    def _attempts(self, made: int) -> None:
        while True:
            made += 1
            self._begin(made)
            started = time.perf_counter()
            meter = Meter()
            try:
                with meter:
                    value = self._work(made)
            except KeyboardInterrupt:
                if threading.current_thread() is threading.main_thread():
                    raise
                error: BaseException = OctoError("KeyboardInterrupt in a thread")
            except BaseException as problem:  # SystemExit too, and what asyncio raises
                error = problem
            else:
                if self.walk.at_once or self.is_left:
                    return
                usage = self.current.usage or meter.usage.as_dict()
                clash = self._succeeds(value, time.perf_counter() - started, usage)
                if clash is None:
                    return
                error = clash
            if self.walk.at_once or self.is_left:
                return
            if not self._fails(error, made):
                return

    def _before(self) -> dict[str, Any]:
        there = self.file.look(place_of(self.spec.name, self.unit.item),
                               lambda found: dict(found) if isinstance(found, dict) else {})
        self.entry = {key: there[key] for key in ("reason", "item") if key in there}
        self.calls = list(there.get("calls", ()))
        return dict(there)

    def _made(self, before: dict[str, Any]) -> int:
        """How many tries there were before this run; a failure for good begins anew."""
        attempt = before.get("attempt", 0) if type(before.get("attempt", 0)) is int else 0
        if before.get("status") == RUNNING:
            return max(attempt - 1, 0)
        return attempt if before.get("status") == WAITING else 0

    # -- one attempt -------------------------------------------------------------------------------

    def _begin(self, attempt: int) -> None:
        """The record before the work is called."""
        walk, spec = self.walk, self.spec
        started = time.time()
        with walk.lock:
            with self.file.transaction(ENGINE, later=True) as tx:
                walk.write_pending(tx)
                entry = {"status": RUNNING, "attempt": attempt, "start": started, **self.entry, "visit": self.visit}
                if self.calls:
                    entry["calls"] = self.calls
                write(tx, spec.name, self.unit.item, entry, fans_out=spec.fans_out)
                tx.set(("engine", "visit"), self.visit)
                walk.show_running(tx)
                self.call = 0 if spec.background else self._open_call(tx)
        self.attempt, self.started = attempt, started
        if self.file.durability == "step":
            self.file.sync()

    def _open_call(self, tx: Transaction) -> int:
        """This record begins a call, which has its number."""
        tx.flags["begin"] = True
        call = self.file.journal.seq + 1
        if self.spec.parallel:
            self.file.touched.follow(call)
        return call

    def _work(self, attempt: int) -> Any:
        author = Author(self.name, self.visit, self.call, self.walk.frame.instance)
        access = self.access = Access(self.file, author, self.stop, tracked=self.spec.parallel)
        resumed, self.resumed = self.resumed, False
        self.current = self.new_call(access, author, attempt, resumed)
        alone = not self.spec.parallel and not self.spec.background
        if alone:
            os.environ[ENVIRONMENT_NAME] = author.to_environment()
        else:  # a program that a body starts by itself cannot know in which of several steps' name it writes
            os.environ.pop(ENVIRONMENT_NAME, None)
        try:
            with writing_as(author):
                return self.spec.work.run(self.current)
        finally:
            access.closed = True
            if alone and os.getcwd() != self.walk.frame.directory:
                os.chdir(self.walk.frame.directory)

    def new_call(self, access: Access, author: Author, attempt: int = 1, resumed: bool = False) -> Call:
        return Call(self.spec, self.name, Context.on(access), author, self.stop, self._within,
                    partial(self.walk.frame.log.line, step=self.name), self.unit.item, self.entry.get("item"),
                    attempt, resumed)

    def _looking(self) -> Call:
        """A handle that only reads."""
        author = Author(self.name, self.visit, 0, self.walk.frame.instance)
        access = Access(self.file, author, self.stop)
        access.closed = True
        return self.new_call(access, author)

    def _within(self, seconds: float | None, function: Callable[[], Any]) -> Any:
        return call_within(seconds, function, self._abandoned)

    def leave(self) -> None:
        """Its thread is left behind: what it still does counts no more."""
        if self.access is not None:
            self.access.closed = True

    def abandon(self) -> None:
        """A background body that does not stop: the run ends without it."""
        self.leave()
        with self.walk.lock, self.file.transaction(ENGINE, later=True) as tx:
            self.walk.write_pending(tx)
            write(tx, self.spec.name, self.unit.item,
                  {"status": STOPPED, "attempt": self.attempt, "start": self.started, "end": time.time(),
                   **self.entry, "visit": self.visit, "reason": "it did not stop in time and was left behind"},
                  fans_out=self.spec.fans_out)
        self.is_left = True

    def _abandoned(self, error: BaseException) -> None:
        """A body that outlives every StepTimeout: write the error and end the process."""
        self._record_failure(error, FAILED)
        self.walk.frame.abandon(
            Ending("COMPLETE_ERROR", "error", [f"{self.name}: {error}; its body could not be ended"]))

    # -- how it ends -------------------------------------------------------------------------------

    def _succeeds(self, value: Any, seconds: float, usage: dict[str, Any]) -> CtxClash | None:
        """Commit the call; the clash instead where it changed what a step beside it changed."""
        walk, spec, work = self.walk, self.spec, self.spec.work
        status = STOPPED if spec.background and self.stop.is_set() else DONE
        plain = kept_result(value, whole=self.unit.item >= 0 and bool(work.collects()))
        entry = {"status": status, "attempt": self.attempt, "start": self.started, "end": time.time(),
                 "seconds": round(seconds, 6), "result": plain, "usage": usage, **self.entry, "visit": self.visit,
                 "calls": [*self.calls, self.call] if self.call else self.calls}
        mark = work.fingerprint()
        if mark:
            entry["fingerprint"] = mark

        def note(tx: Transaction) -> None:
            write(tx, spec.name, self.unit.item, entry, fans_out=spec.fans_out)
            if self.call:
                tx.flags.setdefault("end", []).append(self.call)
            if status == DONE:
                tx.increment((GLOBAL, "run_step_count"), 1)

        hook = work.hook(True) if walk.use_hooks and self.unit.item < 0 else None
        waits = not (spec.parallel or spec.background or hook or work.looks or spec.exit_breakpoint
                     or self.file.look(("breakpoints",), bool))
        with walk.lock:
            if waits:
                walk.pending.append(note)
            else:
                with self.file.transaction(ENGINE, later=True) as tx:
                    if spec.parallel and self.call:
                        clash = self._settle(tx)
                        if clash is not None:
                            return clash
                    walk.write_pending(tx)
                    note(tx)
        if self.call:
            self.calls = [*self.calls, self.call]
        walk.frame.events.tell("step_executed", self.name, self.visit, seconds=seconds, skipped=False, usage=usage)
        if work.looks and self.call:
            work.keep(self.current, value, self._ops)
        if hook:
            walk.aside(f"{self.name}:on_success", partial(hook, status=status, error=None), self)
        if status == DONE and walk.has_breakpoint(spec, self.unit.item, "exit"):
            walk.hit_breakpoint(self.unit, spec, "exit")
        walk.frame.events.tell("step_exited", self.name, self.visit, status=status)
        with walk.lock:
            if status == DONE:
                walk.frame.tally.steps += 1
            walk.frame.tally.count(spec.name, seconds)
        self._tell_plan(status, value)
        return None

    def _settle(self, tx: Transaction) -> CtxClash | None:
        """Compare what it changed with what steps beside it changed."""
        walk = self.walk
        writes = Writes.of([*self.kept, *self.file.touched.take(self.call, self.file.lines_since)])
        losers: list[tuple[Unit, list[Place]]] = []
        for other, places in walk.clashes.with_others(self.unit, writes).items():
            if other.position != self.unit.position and walk.order.ordered(other.position, self.unit.position):
                continue
            theirs = walk.dag.spec(other)
            rule = self.spec.on_conflict if self.spec.on_conflict == theirs.on_conflict else ""
            if not rule:
                return CtxClash(
                    f"{shown_name(theirs.name, other.item)} and {self.name} run side by side and both changed "
                    f"{', '.join(map(in_words, places))} in ctx; let one depend on the other, or say "
                    "on_conflict: first or last")
            losers.append((max(self.unit, other) if rule == "first" else min(self.unit, other), places))
        for loser, places in losers:
            self._drop(tx, loser, places)
        walk.clashes.add(self.unit, writes)
        walk.calls_of[self.unit] = [*self.calls, self.call]
        return None

    def _drop(self, tx: Transaction, loser: Unit, places: list[Place]) -> None:
        """What the loser changed at the places that both changed is undone."""
        mine = [*self.calls, self.call]
        calls = mine if loser == self.unit else self.walk.calls_of[loser]
        if loser != self.unit:
            places = self.walk.clashes.overlap(loser, places)

        def keep(op: dict[str, Any]) -> bool:
            path = tuple(op["path"])
            return not any(path[: len(place)] == place or place[: len(path)] == path for place in places)

        undo_calls(tx, self.file.lines_since(min(*calls, *mine) - 1), calls, "ctx", keep=keep)

    def _ops(self) -> list[dict[str, Any]]:
        """The changes of this call in ctx."""
        with self.file.reading():
            lines = self.file.lines_since(self.call)
        mine = [line for line in lines if line.get("call") == self.call]
        return [op for line in mine for op in line["ops"] if op["path"][:1] == ["ctx"]]

    def _fails(self, error: BaseException, attempt: int, *, can_retry: bool = True) -> bool:
        """Undo the call and record the error. True: try again; else it is over."""
        walk, retry = self.walk, Retry.of(self.spec.retry)
        again = can_retry and not isinstance(error, CtxClash) and retry.allows(error, attempt)
        delay = retry.wait(attempt) if again else 0.0
        described = self._record_failure(error, WAITING if again else FAILED)
        walk.frame.events.tell("step_failed", self.name, self.visit, error=described, attempt=attempt,
                               attempts=retry.attempts, will_retry=again, delay=delay, arrow="")
        if again:
            if not walk.frame.stopping.event.wait(delay) and not self.stop.is_set():
                return True
            with walk.lock:  # who asked to stop decides: the next run tries again
                walk.ended(self)
            return False
        hook = self.spec.work.hook(False) if walk.use_hooks and self.unit.item < 0 else None
        if hook:
            walk.aside(f"{self.name}:on_failure", partial(hook, status=FAILED, error=described), self)
        self._tell_plan(FAILED, None, described)
        return False

    def _record_failure(self, error: BaseException, status: str) -> dict[str, Any]:
        walk, spec, call = self.walk, self.spec, self.call
        described = {**describe(spec, "EXECUTE", error, self.visit), "node": self.name}
        with walk.lock, self.file.transaction(ENGINE, later=True) as tx:
            walk.write_pending(tx)
            if call:
                described["ctx_undone"] = undo_call(tx, self.file.lines_since(call - 1), call, "ctx")
                tx.flags["fence"] = call
                tx.flags.setdefault("end", []).append(call)
            kept = self.file.touched.take_checkpointed(call)
            if kept:
                self.kept += kept
                self.calls = [*self.calls, call]
            entry = {"status": status, "attempt": self.attempt, "start": self.started, "end": time.time(),
                     "seconds": round(time.time() - self.started, 6),
                     "error": {key: described[key] for key in ("type", "message", "traceback")},
                     **self.entry, "visit": self.visit}
            if self.calls:
                entry["calls"] = self.calls
            write(tx, spec.name, self.unit.item, entry, fans_out=spec.fans_out)
            if status == FAILED and not spec.allow_failure and not walk.error:
                tx.set((GLOBAL, "last_error"), described)
        return described

    # -- without a call ----------------------------------------------------------------------------

    def _over(self, status: str, *, reason: str = "") -> None:
        """It ends without having been called."""
        walk = self.walk
        with walk.lock, self.file.transaction(ENGINE, later=True) as tx:
            walk.write_pending(tx)
            write(tx, self.spec.name, self.unit.item,
                  {"status": status, **self.entry, "reason": reason, "end": time.time(), "visit": self.visit},
                  fans_out=self.spec.fans_out)
        walk.frame.events.tell("step_exited", self.name, self.visit, status=status, reason=reason)
        self._tell_plan(status, None)

    def _take_cached(self, cached: Cached) -> None:
        """Apply what an earlier run of the step did."""
        self._begin(1)
        author = Author(self.name, self.visit, self.call, self.walk.frame.instance)
        started = self.started

        def note(tx: Transaction) -> None:
            entry = {"status": CACHED, "attempt": 1, "start": started, "end": time.time(), "seconds": 0.0,
                     "result": cached.result, **self.entry, "reason": cached.reason, "visit": self.visit,
                     "calls": [*self.calls, self.call]}
            write(tx, self.spec.name, self.unit.item, entry, fans_out=self.spec.fans_out)
            tx.flags.setdefault("end", []).append(self.call)

        try:
            with self.file.transaction(author.who, author, later=True) as tx:
                replay(tx, cached.ops)
        except OctoError as error:
            self._fails(error, 1, can_retry=False)
            return
        with self.walk.lock, self.file.transaction(ENGINE, later=True) as tx:
            clash = self._settle(tx) if self.spec.parallel else None
            if clash is None:
                note(tx)
        if clash is not None:
            self._fails(clash, 1, can_retry=False)
            return
        self.walk.frame.events.tell("step_exited", self.name, self.visit, status=CACHED, reason=cached.reason)
        self._tell_plan(CACHED, cached.result)

    # -- fan-out -----------------------------------------------------------------------------------

    def _fan_out(self, before: dict[str, Any]) -> None:
        """The step becomes one unit an item; the list is read once and kept in the file."""
        walk, spec = self.walk, self.spec
        kept = before.get("items")
        if isinstance(kept, dict) and kept:
            items = [kept[str(index)].get("item") for index in range(len(kept))]
        else:
            kept, items = {}, checked(spec.work.items(self._looking()), (spec.name, "for_each"))
        done = {index for index in range(len(items)) if kept.get(str(index), {}).get("status") in ENDED_WELL}
        fan = Fan(items, len(items) - len(done), time.time(),
                  {index: kept[str(index)].get("result") for index in done})
        with walk.lock:
            with self.file.transaction(ENGINE, later=True) as tx:
                walk.write_pending(tx)
                entry = {"status": RUNNING, "attempt": 1, "start": fan.started, **self.entry, "visit": self.visit}
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
        step._before()
        step.started, step.attempt = fan.started, 1
        step._ends_fan(fan)

    def _ends_fan(self, fan: Fan) -> None:
        if fan.failed:
            names = ", ".join(shown_name(self.spec.name, index) for index in sorted(fan.failed))
            error = OctoError(f"{len(fan.failed)} of {len(fan.items)} items failed: {names}")
            self._fails(error, 1, can_retry=False)
            return
        results = [fan.results[index] for index in range(len(fan.items))]
        key = self.spec.work.collects()
        if key:
            with self.walk.lock, self.file.transaction(ENGINE, later=True) as tx:
                self.walk.write_pending(tx)
                self.call = self._open_call(tx)
            author = Author(self.name, self.visit, self.call, self.walk.frame.instance)
            try:
                Context.on(Access(self.file, author, tracked=self.spec.parallel)).set(key, results)
            except OctoError as error:
                self._fails(error, 1, can_retry=False)
                return
        self.current = self._looking()
        clash = self._succeeds(results, time.time() - fan.started, {})
        if clash is not None:
            self._fails(clash, 1, can_retry=False)

    # -- the plan ----------------------------------------------------------------------------------

    def _tell_plan(self, status: str, value: Any, error: dict[str, Any] | None = None) -> None:
        """It is over. An item that is the last one counts as running until its step is over too."""
        walk, position = self.walk, self.unit.position
        fan = None
        with walk.lock:
            if self.unit.item >= 0:
                fan = walk.fans[position]
                fan.left -= 1
                if status == FAILED:
                    fan.failed.append(self.unit.item)
                else:
                    fan.results[self.unit.item] = value
            elif status != FAILED or self.spec.allow_failure:
                walk.dag.met(position)
            else:
                walk.dag.failed(position)
                walk.failed.append(self.name)
                walk.error = walk.error or error
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
            tx.append(path, op["values"], record=record)
        else:
            tx.splice(path, op["start"], op["count"], op["items"])


