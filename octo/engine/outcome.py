"""How an attempt ends: what it did to ctx is committed, or undone in the record that writes its error.

A parallel step that changed what a step beside it changed fails, or one of the two gives way (`on_conflict`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from octo.errors import CtxClash
from octo.store import GLOBAL, Transaction
from octo.store.undo import touching, undo_call, undo_calls

from .aside import aside
from .attempt import Attempt
from .clash import Place, Writes, in_words
from .dag import Unit
from .failure import describe
from .retry import Retry
from .step_book import DONE, FAILED, STOPPED, WAITING, kept_result, shown_name, write
from .walk import ENGINE
from .work import Hook
from .written import kept_by_checkpoint

log = logging.getLogger("octo.engine")


class Outcome(Attempt):
    """The ends that an attempt can come to."""

    def tell_plan(self, status: str, value: Any, error: dict[str, Any] | None = None, *,
                  seconds: float | None = None) -> None:
        """The unit is over. `seconds` that its body took, where that counts."""
        raise NotImplementedError

    # -- well --------------------------------------------------------------------------------------

    def succeeds(self, value: Any, seconds: float) -> CtxClash | None:
        """Commit the call; the clash instead where it changed what a step beside it changed."""
        walk, spec, work = self.walk, self.spec, self.spec.work
        status = STOPPED if spec.background and self.stop.is_set() else DONE
        plain = kept_result(value, whole=self.unit.item >= 0 and bool(work.collects()))
        entry = {"status": status, "attempt": self.attempt, "start": self.started, "end": time.time(),
                 "seconds": round(seconds, 6), "result": plain, "usage": self.usage, **self.entry, "visit": self.visit,
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

        hooks = self.hooks(True)
        with walk.lock:
            if self.is_over():
                return None
            losers: list[tuple[Unit, list[Place]]] = []
            if spec.parallel and self.call:
                clash = self.settle(losers)
                if clash is not None:
                    return clash
            # Whoever begins an attempt next writes what waits first, in the same record.
            walk.pending.append(note)
            if losers or hooks or work.looks or spec.background or walk.may_break(spec):
                self.commit(losers)
        if self.call:
            self.calls = [*self.calls, self.call]
        walk.frame.events.tell("step_executed", self.name, self.visit, seconds=seconds, skipped=False, usage=self.usage)
        if work.looks and self.call:
            try:
                work.keep(self.current, value, self._ops)
            except Exception as error:
                log.warning("the result of %s is not kept for other runs: %s: %s", self.name,
                            type(error).__name__, error)
        for hook in hooks:
            aside(walk, f"{self.name}:on_success", partial(hook.run, status=status, error=None), self, hook.retry)
        if status == DONE:
            self.stop_at_exit()
        walk.frame.events.tell("step_exited", self.name, self.visit, status=status)
        self.tell_plan(status, value, seconds=seconds)
        return None

    def _ops(self) -> list[dict[str, Any]]:
        """The changes of this call in ctx."""
        with self.file.reading():
            lines = self.file.lines_since(self.call)
        mine = [line for line in lines if line.get("call") == self.call]
        return [op for line in mine for op in line["ops"] if op["path"][:1] == ["ctx"]]

    # -- beside others -----------------------------------------------------------------------------

    def settle(self, losers: list[tuple[Unit, list[Place]]]) -> CtxClash | None:
        """Compare what it changed with what steps beside it changed; `losers` get whose changes give way, and where.

        The caller holds the lock.
        """
        walk = self.walk
        touched = self.file.touched_by(self.call)
        writes = Writes.of([*self.kept, *touched])
        for other, places in walk.beside.clashes.with_others(self.unit, writes).items():
            if walk.beside.is_ordered(other, self.unit):
                continue
            theirs = walk.dag.spec(other)
            rule = self.spec.on_conflict if self.spec.on_conflict == theirs.on_conflict else ""
            if not rule:
                losers.clear()
                return CtxClash(
                    f"{shown_name(theirs.name, other.item)} and {self.name} run side by side and both changed "
                    f"{', '.join(map(in_words, places))} in ctx; let one depend on the other, or say "
                    "on_conflict: first or last")
            losers.append((max(self.unit, other) if rule == "first" else min(self.unit, other), places))
        walk.beside.add(self.unit, writes, [*self.calls, self.call])
        return None

    def commit(self, losers: list[tuple[Unit, list[Place]]]) -> None:
        """Write what waits, and take back what gives way to others. The caller holds the lock.

        A record of its own for each loser: a later undo of one of them leaves the others' out of it.
        """
        mine = [place for loser, places in losers if loser == self.unit for place in places]
        drops = {self.unit: mine} if mine else {}
        for loser, places in losers:
            if loser != self.unit:
                drops.setdefault(loser, []).extend(places)
        for left, (loser, places) in zip(range(len(drops) - 1, -1, -1), drops.items(), strict=True):
            with self.file.transaction(ENGINE, later=True) as tx:
                if not left:
                    self.walk.write_pending(tx)
                self._drop(tx, loser, places)
        if not drops:
            self.walk.flush()

    def _drop(self, tx: Transaction, loser: Unit, places: list[Place]) -> None:
        """What the loser changed at the places that both changed is undone."""
        beside = self.walk.beside
        calls = beside.calls[loser]
        places = beside.clashes.drop(loser, places)
        tx.flags["dropped"] = {"calls": calls, "places": [list(place) for place in places]}
        undo_calls(tx, self.file.lines_since, calls, "ctx",
                   keep=lambda op: not touching(op["path"], places))

    # -- not well ----------------------------------------------------------------------------------

    def fails(self, error: BaseException, attempt: int, *, can_retry: bool = True) -> bool:
        """Undo the call and record the error. True: try again; else it is over."""
        walk, spec, retry = self.walk, self.spec, Retry.of(self.spec.retry)
        again = can_retry and not isinstance(error, CtxClash) and retry.allows(error, attempt)
        delay = retry.wait(attempt) if again else 0.0
        described = self.record_failure(error, WAITING if again else FAILED)
        if self.is_over():
            return False
        walk.frame.events.tell("step_failed", self.name, self.visit, error=described, attempt=attempt,
                               attempts=retry.attempts, will_retry=again, delay=delay, arrow="")
        if again:
            if not self.stop.wait(delay) and not walk.frame.stopping.event.is_set():
                return True
            if spec.background:
                self.over(STOPPED, reason="it was waiting for its next try when it was to stop")
                return False
            with walk.lock:  # who asked to stop decides: the next run tries again
                walk.ended(self)
            return False
        for hook in self.hooks(False):
            aside(walk, f"{self.name}:on_failure", partial(hook.run, status=FAILED, error=described), self, hook.retry)
        if spec.allow_failure:
            self.stop_at_exit()
        self.tell_plan(FAILED, None, described)
        return False

    def stop_at_exit(self) -> None:
        """The run goes on from here: the place of a breakpoint."""
        if self.walk.has_breakpoint(self.spec, self.unit.item, "exit"):
            self.walk.hit_breakpoint(self.unit, self.spec, "exit")

    def hooks(self, succeeded: bool) -> Sequence[Hook]:
        return self.spec.work.hooks(succeeded) if self.walk.use_hooks and self.unit.item < 0 else ()

    def record_failure(self, error: BaseException, status: str) -> dict[str, Any]:
        walk, spec, call = self.walk, self.spec, self.call
        described = {**describe(spec, "EXECUTE", error, self.visit), "node": self.name}
        with walk.lock:
            if self.is_over():
                return described
            with self.file.transaction(ENGINE, later=True) as tx:
                walk.write_pending(tx)
                if call:
                    kept = kept_by_checkpoint(self.file.lines_since(call - 1), call)
                    described["ctx_undone"] = undo_call(tx, self.file.lines_since, call, "ctx")
                    tx.flags["fence"] = call
                    tx.flags.setdefault("end", []).append(call)
                    self.file.touched.take_checkpointed(call)
                    if kept is not None:
                        self.kept += kept
                        self.calls = [*self.calls, call]
                entry = {"status": status, "attempt": self.attempt, "start": self.started, "end": time.time(),
                         "seconds": round(time.time() - self.started, 6),
                         "error": {key: described[key] for key in ("type", "message", "traceback")},
                         **self.entry, "visit": self.visit}
                if self.usage:
                    entry["usage"] = self.usage
                if self.calls:
                    entry["calls"] = self.calls
                write(tx, spec.name, self.unit.item, entry, fans_out=spec.fans_out)
                if status == FAILED and not spec.allow_failure and not walk.error:
                    tx.set((GLOBAL, "last_error"), described)
            if status == FAILED and not spec.allow_failure and self.unit.item < 0:  # nothing new starts from now on
                walk.failed.append(self.name)
                walk.error = walk.error or described
            if status == FAILED and self.kept and spec.parallel:
                walk.beside.add(self.unit, Writes.of(self.kept), self.calls)
        return described

    # -- without a call ----------------------------------------------------------------------------

    def over(self, status: str, *, reason: str = "") -> None:
        """It ends without a call that counts."""
        walk = self.walk
        with walk.lock:
            if self.is_over():
                return
            with self.file.transaction(ENGINE, later=True) as tx:
                walk.write_pending(tx)
                write(tx, self.spec.name, self.unit.item,
                      {"status": status, **self._times(), **self.entry, "reason": reason, "end": time.time(),
                       "visit": self.visit},
                      fans_out=self.spec.fans_out)
        walk.frame.events.tell("step_exited", self.name, self.visit, status=status, reason=reason)
        self.tell_plan(status, None)

    def _times(self) -> dict[str, Any]:
        """Of the attempt, where there was one."""
        return {"attempt": self.attempt, "start": self.started,
                "seconds": round(time.time() - self.started, 6)} if self.attempt else {}
