"""`octo reset`: an instance as new, with what people wrote kept."""

from __future__ import annotations

from typing import Any

from octo.errors import InstanceBusy
from octo.store import GLOBAL, MISSING, Change, ParameterStore, RunLock, default_state
from octo.store.values import copied

_KEPT = ("step_engine_library_path", "step_engine_instance_path", "first_step_module", "first_step_node")
_OWN = ("run_loop_count", "run_id", "last_error", "pause_reason", "ended_by")
_ENGINES = (GLOBAL, "ctx", "engine", "breakpoints", "steps")
Place = tuple[str, str]


def reset(store: ParameterStore) -> list[str]:
    """Empty ctx, engine, steps and `run_step_count`; in node groups put back what steps changed.

    What people wrote there, and breakpoints, stay; so does the journal. Returns what was put back, for
    people. InstanceBusy while an engine runs.
    """
    lock = RunLock(store.directory)
    try:
        lock.acquire("reset")
    except InstanceBusy as error:
        raise InstanceBusy(error.message, hints=["octo status"]) from None
    try:
        before, made = _before_steps(store)
        with store.transaction(who="reset") as tx:
            cut_off = list(store._state_file.open_calls)
            if cut_off:  # there is nothing left to undo of calls that were open when their engine died
                tx.flags.update(end=cut_off, fence=cut_off)
            for group in ("engine", "steps", "ctx"):
                if tx.peek((group,), MISSING) is not MISSING:
                    tx.delete((group,))
            for key, value in default_state()[GLOBAL].items():
                if key not in _KEPT and tx.peek((GLOBAL, key), MISSING) != value:
                    tx.set((GLOBAL, key), value)
            for key in _OWN:
                if tx.peek((GLOBAL, key), MISSING) is not MISSING:
                    tx.delete((GLOBAL, key))
            for path, value in before.items():
                if value is MISSING:
                    if tx.peek(path, MISSING) is not MISSING:
                        tx.delete(path)
                else:
                    tx.set(path, value)
            for group in made:
                if tx.peek((group,), MISSING) == {}:
                    tx.delete((group,))
        return ["/".join(path) for path in before]
    finally:
        lock.release()


def _before_steps(store: ParameterStore) -> tuple[dict[Place, Any], set[str]]:
    """The keys of node groups whose last writer is a step, with what they were before steps wrote them;
    and the groups that steps made.

    A key that a person wrote after the step keeps the person's value.
    """
    last_reset = max(
        (change.seq for change in store.history(("engine",)) if change.who == "reset"), default=0
    )
    first: dict[Place, int] = {}
    made: set[str] = set()
    for change in store.history(since=last_reset):
        if not change.path or change.path[0] in _ENGINES:
            continue
        if len(change.path) == 1 and change.call and change.old is MISSING:
            made.add(change.path[0])
        for place in _places(change):
            if change.call:
                first.setdefault(place, change.seq)
            else:
                first.pop(place, None)
    file = store._state_file
    with file.reading():
        states = {seq: file.state_at(seq - 1) for seq in set(first.values())}
        before = {place: _at(states[seq], place) for place, seq in first.items()}
        return {place: copied(value) for place, value in before.items()}, made


def _places(change: Change) -> list[Place]:
    """The keys that a change touches: one, or those of a whole group."""
    if len(change.path) > 1:
        return [(change.path[0], change.path[1])]
    values = [value for value in (change.old, change.value) if isinstance(value, dict)]
    return [(change.path[0], key) for key in dict.fromkeys(key for value in values for key in value)]


def _at(state: Any, place: Place) -> Any:
    group = state.get(place[0])
    return group.get(place[1], MISSING) if isinstance(group, dict) else MISSING
