"""Several changes as one: what a caller does to the tree while the lock is held, kept as ops."""

from __future__ import annotations

from typing import Any

import orjson

from octo.errors import InvalidValue

from .changes import MISSING, Op, Tree
from .touched import Touch, touch
from .values import Path, checked, copied, dumps, spell


class Transaction:
    """Reads see the changes made so far; all of them become one record, or none does.

    Paths are tuples: `tx.set(("ctx", "rows", 3), value)`. InvalidValue says what does not fit, and where.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.ops: list[Any] = []
        self.is_dirty = False
        """Whether the tree may hold what is in no record."""
        self.touches: list[Touch] | None = None
        """For a call that is followed (`octo.store.touched`): what it touches; then a `setdefault` of what is
        there is a change too."""
        self.flags: dict[str, Any] = {}
        """Of the record: begin, end, fence (calls of steps), set by the engine."""

    def get(self, path: Path, default: Any = MISSING) -> Any:
        """A copy of the value at `path`; `default`, or KeyError without one, where there is none."""
        value = self._tree.find(path)
        if value is MISSING:
            if default is MISSING:
                raise KeyError(spell(path))
            return default
        return copied(value)

    def peek(self, path: Path, default: Any = MISSING) -> Any:
        """The value itself, for looking at only."""
        value = self._tree.find(path)
        return default if value is MISSING else value

    def set(self, path: Path, value: Any) -> None:
        """Put `value` at `path`; dicts that are missing on the way are made."""
        value = checked(value, path)
        self._make_parents(path)
        op: Op = {"op": "set", "path": list(path), "value": value}
        old = self._tree.find(path)
        if old is not MISSING:
            op["old"] = old
        self._do(op)

    def setdefault(self, path: Path, value: Any) -> None:
        """Put `value` at `path` where nothing is yet.

        Parallel steps that want one value agree, so what was wanted is noted, and also where something is already.
        """
        wanted = checked(value, path)
        there = self._tree.find(path)
        if there is MISSING:
            self._make_parents(path)
            self._do({"op": "set", "path": list(path), "value": wanted, "wanted": wanted})
        elif self.touches is not None and type(there) in (dict, list):  # it may be large: the record only says so
            self.flags.setdefault("defaults", []).append([list(path), wanted])
            self.touches.append(Touch("set", tuple(path), wanted))
        elif self.touches is not None:
            self._do({"op": "set", "path": list(path), "value": there, "old": there, "wanted": wanted})

    def delete(self, path: Path) -> None:
        """Remove a key of a dict or an item of a list; KeyError where there is none."""
        old = self._tree.find(path)
        if old is MISSING or not path:
            raise KeyError(spell(path))
        if type(path[-1]) is int:
            position = path[-1] if path[-1] >= 0 else path[-1] + len(self._tree.find(path[:-1]))
            self.splice(path[:-1], position, 1, [])
        else:
            self._do({"op": "delete", "path": list(path), "old": old})

    def increment(self, path: Path, by: Any = 1) -> Any:
        """Add to a number (a missing one starts at 0); returns the new value. A bool is no number."""
        by = checked(by, path)
        old = self._tree.find(path)
        if type(by) not in (int, float) or (old is not MISSING and type(old) not in (int, float)):
            wrong = by if type(by) not in (int, float) else old
            raise InvalidValue(f"{spell(path)}: {wrong!r} is not a number that can be counted up or down")
        op: Op = {"op": "increment", "path": list(path), "by": by}
        if old is MISSING:
            self._make_parents(path)
            op["new"] = True
        elif float in (type(by), type(old)):
            op["old"] = old
        try:
            new = checked(by if old is MISSING else old + by, path)
        except OverflowError:
            raise InvalidValue(f"{spell(path)}: {old} and {by} together are too large for a float") from None
        self._do(op, new)
        return new

    def append(self, path: Path, values: list[Any], *, record: bool = False, keep: int | None = None) -> None:
        """Add to the end of a list (a missing one is made). `record`: an undo leaves it there.

        `keep`, of a record only: so many items of the list stay, the newest.
        """
        there = self._tree.find(path)
        values = _items(values, path, len(there) if type(there) is list else 0)
        op: Op = {"op": "append", "path": list(path), "values": values}
        if there is MISSING:
            self._make_parents(path, record=record)
            op["new"] = True
        elif type(there) is not list:
            raise InvalidValue(f"{spell(path)} is not a list")
        if record:
            op["record"] = True
        if keep is not None:
            op["keep"] = keep
            items = [] if there is MISSING else there
            too_many = len(items) + len(values) - keep
            if too_many > 0:
                op["cut"] = [*items[:too_many], *values[: max(0, too_many - len(items))]]
        self._do(op)

    def record(self, path: Path, value: Any) -> None:
        """`set`, as a record that an undo leaves there."""
        value = checked(value, path)
        self._make_parents(path, record=True)
        op: Op = {"op": "set", "path": list(path), "value": value, "record": True}
        old = self._tree.find(path)
        if old is not MISSING:
            op["old"] = old
        self._do(op)

    def splice(self, path: Path, start: int, count: int, items: list[Any], *, record: bool = False) -> None:
        """Replace `count` items of a list from `start` by `items`.

        `record`: an undo leaves it so. Each of those that go is then meant by its value, wherever it stands once
        something in front of it is undone; so `items` are none, or one for each.
        """
        there = self._tree.find(path)
        if type(there) is not list:
            raise InvalidValue(f"{spell(path)} is not a list")
        if not (0 <= start <= len(there) and 0 <= count <= len(there) - start):
            raise InvalidValue(f"{spell(path)} has {len(there)} items; {count} from {start} are not there")
        op: Op = {"op": "splice", "path": list(path), "start": start, "count": count,
                  "items": _items(items, path, start), "old": there[start : start + count]}
        if record:
            if items and len(items) != count:
                raise InvalidValue(f"{spell(path)}: a record replaces {count} items by none or as many, "
                                   f"not by {len(items)}")
            op["record"] = True
        self._do(op)

    def apply(self, op: Op) -> None:
        """Make a change that is known already, such as one of `diff` against this very tree."""
        self._do(op)

    def _make_parents(self, path: Path, *, record: bool = False) -> None:
        if type(self._tree.find(path[:-1])) in (dict, list):
            return
        for length in range(1, len(path)):
            there = self._tree.find(path[:length])
            if there is MISSING:
                for position in range(length, len(path)):  # all that follow, before the first dict is made
                    if type(path[position]) is not str:
                        raise InvalidValue(f"{spell(path[:position])} is not there")
                op: Op = {"op": "set", "path": list(path[:length]), "value": {}, "wanted": {}}
                self._do({**op, "record": True} if record else op)
            elif type(there) not in (dict, list):
                raise InvalidValue(f"{spell(path[:length])} is {type(there).__name__}, not a dict")

    def _do(self, op: Op, value: Any = MISSING) -> None:
        """Make the change; `value` is what stands at its place then, where that is known already."""
        place = op["path"]
        for position, part in enumerate(place):
            if type(part) is int and part < 0:  # counted from a list's end, which others may move
                from_start = part + len(self._tree.find(place[:position]))
                place[position] = from_start if from_start >= 0 else part
        encoded = dumps(op)  # now: the next change may go into the very value that this one carries
        self.is_dirty = True
        if value is MISSING:
            self._tree.apply(op)
        else:
            self._tree.put(place, value)
        self.ops.append(orjson.Fragment(encoded))
        if self.touches is not None and (seen := touch(op)) is not None:
            self.touches.append(seen)


def _items(values: list[Any], path: Path, start: int) -> list[Any]:
    """Checked items of the list at `path`; a message names the place where one would stand."""
    return [checked(value, (*path, position)) for position, value in enumerate(values, start)]
