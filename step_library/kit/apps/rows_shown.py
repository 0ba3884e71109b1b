"""A table of ctx as a dashboard shows it: columns, so many rows as can be drawn, and what is odd about it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octo.errors import StaleView
from step_library.kit.apps.followed_ctx import keys_of
from step_library.kit.values.ctx_values import Ctx, described

HEAD, TAIL = 2, 6
"""Entries of a long list that the text of ctx shows, first and last."""
MOST_KEYS = 30
MOST_LETTERS = 400


@dataclass
class RowsShown:
    """Some rows of a table, the newest last. `count`: how many there are in all; `problem`: what is odd, for people."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    count: int = 0
    problem: str = ""

    def column(self, place: int) -> list[Any]:
        """Its cells, null where a row is too short."""
        return [row[place] if place < len(row) else None for row in self.rows]

    def beginning_with(self, name: str | None) -> RowsShown:
        """The same with the column of that name in front, where there is one."""
        if name not in self.columns:
            return self
        at = self.columns.index(name)
        order = [at, *(place for place in range(len(self.columns)) if place != at)]
        rows = [[row[place] if place < len(row) else None for place in order] for row in self.rows]
        return RowsShown([self.columns[place] for place in order], rows, self.count, self.problem)

    def numbers(self, place: int) -> list[float | None]:
        """Its cells as numbers, null where one is none."""
        return [number(cell) for cell in self.column(place)]


def number(cell: Any) -> float | None:
    """A cell as a finite number, also where it is text that reads as one."""
    if isinstance(cell, bool) or not isinstance(cell, (int, float, str)):
        return None
    try:
        found = float(cell)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def rows_shown(ctx: Ctx, key: str, names: Sequence[str] | None = None, *, most: int | None = None,
               last: int | None = None) -> RowsShown:
    """The rows at `ctx[key]`: lists, dicts (a column a key) or single values.

    Of more than `most` every so many-th, the newest always; or only the `last` ones. `names` are those of all columns,
    or of all but the first. Rows of another kind than the newest are left out, and told of.
    """
    first, every = 0, 1
    try:
        table = ctx[key]
        count = len(table) if isinstance(table, list) else 0
        if last is not None:
            first = max(0, count - last)
        elif most is not None and count > most:
            every = math.ceil(count / most)
            first = (count - 1) % every
        there = table[first::every] if count else []
    except KeyError:
        return RowsShown(problem=f"ctx has no key {key!r} yet")
    except StaleView:  # it is just being replaced
        return RowsShown(problem=f"ctx[{key!r}] is being replaced")
    if not isinstance(table, list):
        kind = "a dict" if isinstance(table, Mapping) else described(table)
        return RowsShown(problem=f"ctx[{key!r}] is {kind}, no list of rows")
    plain = [row.plain() if hasattr(row, "plain") else row for row in there]
    if plain and not isinstance(plain[-1], (list, tuple, Mapping)):
        plain = [[first + every * place, row] for place, row in enumerate(plain)]
        names = names or ["row", key]
    found = _of_dicts(plain) if plain and isinstance(plain[-1], Mapping) else _of_lists(plain, names)
    found.count = count
    left_out = len(plain) - len(found.rows)
    if left_out:
        found.problem = f"{left_out} of {len(plain)} rows are of another kind than the newest and are left out"
    return found


def _of_dicts(rows: Sequence[Any]) -> RowsShown:
    kept = [row for row in rows if isinstance(row, Mapping)]
    columns = list(dict.fromkeys(str(name) for row in kept for name in row))
    return RowsShown(columns, [[row.get(name) for name in columns] for row in kept])


def _of_lists(rows: Sequence[Any], names: Sequence[str] | None) -> RowsShown:
    kept = [list(row) for row in rows if isinstance(row, (list, tuple))]
    width = max((len(row) for row in kept), default=len(names or ()))
    columns = [str(place) for place in range(width)]
    if names:
        at = 1 if len(names) == width - 1 else 0  # without the first column's name, which is the time
        columns[at:at + len(names)] = names[:width - at]
        columns[0] = columns[0] if at == 0 else "time"
    return RowsShown(columns, kept)


def tables_in(ctx: Ctx) -> list[str]:
    """The keys of ctx with a list, which may be a table."""
    found = []
    for key in keys_of(ctx):
        try:
            if isinstance(ctx[key], list):
                found.append(key)
        except (KeyError, StaleView):
            continue
    return found


def ctx_text(ctx: Ctx) -> str:
    """All of ctx as text for people, key by key; of what is long the beginning and the end."""
    lines = []
    for key in keys_of(ctx):
        try:
            value = ctx[key]
            lines += _lines_of(key, value)
        except (KeyError, StaleView):
            continue
    return "\n".join(lines) or "ctx is empty"


def _lines_of(key: str, value: Any) -> list[str]:
    if isinstance(value, list):
        count = len(value)
        rows = value[:] if count <= HEAD + TAIL else [*value[:HEAD], None, *value[-TAIL:]]
        shown = ["  " + _short(row) for row in rows]
        if count > HEAD + TAIL:
            shown[HEAD] = f"  … {count - HEAD - TAIL:,} more …"
        return [f"{key}: {count:,} {'entry' if count == 1 else 'entries'}", *shown]
    if isinstance(value, Mapping) and value:
        names = list(value)
        shown = [f"  {name}: {_short(value.get(name))}" for name in names[:MOST_KEYS]]
        return [f"{key}:", *shown, *([f"  … {len(names) - MOST_KEYS:,} more …"] if len(names) > MOST_KEYS else [])]
    return [f"{key}: {_short(value)}"]


def _short(value: Any) -> str:
    if isinstance(value, (list, Mapping)) and len(value) > MOST_KEYS:  # not copied as a whole, each second
        return f"{'a dict' if isinstance(value, Mapping) else 'a list'} of {len(value):,}"
    text = json.dumps(value.plain() if hasattr(value, "plain") else value, ensure_ascii=False, default=str)
    return text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS] + " …"
