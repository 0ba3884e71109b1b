"""What differs between two tables: as the lines of `diff -u`, cell by cell, by column, and in numbers."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from step_library.kit.reports.row_sides import Side, columns_of, ordered, row_text
from step_library.kit.values.differences import ABSENT, How, differences

STRICT = How(types=True)  # 1 and 1.0 are written differently, so they are different here too


@dataclass(frozen=True)
class Pair:
    """A row and what became of it; ABSENT on the side that has none. `label` is its number from 0, or its id."""

    label: str
    old: Any
    new: Any

    @cached_property
    def kind(self) -> str:
        if self.old is ABSENT or self.new is ABSENT:
            return "added" if self.old is ABSENT else "removed"
        return "same" if row_text(self.old) == row_text(self.new) else "changed"


def pairs(old: Side, new: Side) -> list[Pair]:
    """Which row became which: by id, else by position where difflib finds rows replaced."""
    if old.ids is not None and new.ids is not None:
        now = dict(zip(new.ids, new.rows, strict=True))
        before = set(old.ids)
        found = [Pair(label, row, now.get(label, ABSENT)) for label, row in zip(old.ids, old.rows, strict=True)]
        return found + [Pair(label, ABSENT, row) for label, row in now.items() if label not in before]
    found = []
    for _, start, end, at, until in difflib.SequenceMatcher(None, old.texts, new.texts).get_opcodes():
        both = min(end - start, until - at)
        found += [Pair(str(at + n), old.rows[start + n], new.rows[at + n]) for n in range(both)]
        found += [Pair(str(number), old.rows[number], ABSENT) for number in range(start + both, end)]
        found += [Pair(str(number), ABSENT, new.rows[number]) for number in range(at + both, until)]
    return found


def summary(matched: Sequence[Pair]) -> dict[str, Any]:
    """`{added, removed, changed, same, columns: {name: cells changed}, columns_added, columns_removed}`."""
    counts = Counter(pair.kind for pair in matched)
    cells = Counter(column for pair in matched if pair.kind == "changed"
                    for column in dict.fromkeys(column for column, *_ in _cells(pair)))
    before = columns_of(pair.old for pair in matched)
    now = columns_of(pair.new for pair in matched)
    has_both = any(pair.old is not ABSENT for pair in matched) and any(pair.new is not ABSENT for pair in matched)
    return {kind: counts[kind] for kind in ("added", "removed", "changed", "same")} | {
        "columns": {column: cells[column] for column in [*before, *now, *cells] if cells[column]},
        "columns_added": [column for column in now if column not in before] if has_both else [],
        "columns_removed": [column for column in before if column not in now] if has_both else [],
    }


# --- lines; none where nothing differs


def as_rows(old: Side, new: Side, context: int) -> list[str]:
    """As `diff -u` shows them. With ids the order of the rows does not matter."""
    before, now = old.texts, new.texts
    if old.ids is not None and new.ids is not None:
        place = {label: number for number, label in enumerate(old.ids)}
        ranked = sorted(zip(new.ids, now, strict=True), key=lambda row: place.get(row[0], len(place)))
        now = [text for _, text in ranked]
    return list(difflib.unified_diff(before, now, old.name, new.name, n=context, lineterm=""))


def as_cells(old: Side, new: Side, matched: Sequence[Pair]) -> list[str]:
    """`-2: row`, `+3: row`, and `~1/amount: 11 -> 12` for each cell that changed, as deep as it lies."""
    lines = []
    for pair in matched:
        if pair.kind == "added":
            lines.append(f"+{pair.label}: {row_text(pair.new)}")
        elif pair.kind == "removed":
            lines.append(f"-{pair.label}: {row_text(pair.old)}")
        elif pair.kind == "changed":
            lines += [f"~{'/'.join(filter(None, (pair.label, place)))}: {_shown(was)} -> {_shown(now)}"
                      for _, place, was, now in _cells(pair)]
    return _headed(old, new, lines)


def as_columns(old: Side, new: Side, found: Mapping[str, Any]) -> list[str]:
    """`~amount: 3 cells`, `-gone`, `+new`; of `summary`."""
    lines = [f"-{column}" for column in found["columns_removed"]]
    lines += [f"+{column}" for column in found["columns_added"]]
    lines += [f"~{column or 'value'}: {count} cell{'s' * (count != 1)}" for column, count in found["columns"].items()]
    return _headed(old, new, lines)


def _headed(old: Side, new: Side, lines: list[str]) -> list[str]:
    return [f"--- {old.name}", f"+++ {new.name}", *lines] if lines else []


def _cells(pair: Pair) -> list[tuple[str, str, Any, Any]]:
    """(column, place, old, new) of what differs in a row that changed; "" for a row that is a single value."""
    old, new = pair.old, pair.new
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names: Sequence[Any] = list(dict.fromkeys([*old, *new]))
        before, now = old, new
    elif isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        names = range(max(len(old), len(new)))
        before, now = dict(enumerate(old)), dict(enumerate(new))
    else:
        return [("", "", old, new)]
    found = []
    for name in names:
        was, has = before.get(name, ABSENT), now.get(name, ABSENT)
        if was is ABSENT or has is ABSENT:
            found.append((str(name), str(name), was, has))
        else:
            found += [(str(name), *each) for each in differences(was, has, str(name), STRICT)]
    return found


def _shown(value: Any) -> str:
    return "nothing" if value is ABSENT else repr(ordered(value))
