"""Taking entries out of a list in ctx, so that each is had once: by one of several threads or parallel steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octo.errors import InvalidValue, NotAvailable
from octo.store import MISSING, Transaction, spell
from octo.store.memory import MemoryState
from octo.store.values import copied

from .access import Access

Test = Callable[[Any], Any]
Change = Callable[[Any], Any]


def check_can_take(access: Access, key: str) -> None:
    """NotAvailable in a worker process: it has a copy of ctx, so another step could take the same."""
    if isinstance(access.file, MemoryState) and access.file.is_copy:
        raise NotAvailable(f"entries of ctx[{key!r}] are taken by steps that run in the run's own process (executor: "
                           "thread): a worker has a copy of ctx, so another step could take the same")


def take(tx: Transaction, place: tuple[Any, ...], which: Test, *, to: tuple[Any, ...] | None, limit: int | None,
         changed: Change | None) -> list[Any]:
    """See `Context.take`. All of it are records, so parallel takers do not clash and no undo gives anything back."""
    found = tx.peek(place)
    if found is MISSING:
        tx.append(place, [], record=True)
        return []
    there = copied(found)
    if not isinstance(there, list):
        raise InvalidValue(f"{spell(place)} is not a list")
    numbers = _fitting(there, which, limit)
    taken = [there[number] for number in numbers]
    instead = list(copied(taken))
    if changed is not None:
        instead = [changed(entry) for entry in instead]
    stays = changed is not None and to is None
    for first, count in reversed(_runs(numbers)):  # from behind, so that the others stay at their places
        tx.splice(place, numbers[first], count, instead[first : first + count] if stays else [], record=True)
    if to is not None and taken:
        tx.append(to, instead, record=True)
    return taken


def _fitting(entries: list[Any], which: Test, limit: int | None) -> list[int]:
    numbers: list[int] = []
    for number, entry in enumerate(entries):
        if limit is not None and len(numbers) >= limit:
            break
        if which(entry):
            numbers.append(number)
    return numbers


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Where in `numbers` each row of neighbours begins, and how many they are."""
    runs: list[tuple[int, int]] = []
    for position, number in enumerate(numbers):
        if position and number == numbers[position - 1] + 1:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((position, 1))
    return runs
