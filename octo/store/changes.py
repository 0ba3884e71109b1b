"""Changes to a JSON tree: apply one, take one back, find the changes between two trees.

A change (`op`) is a plain dict, the same in memory and in the journal:

    {"op": "set",       "path": [...], "value": v, "old": o}      no "old": the place was empty
    {"op": "delete",    "path": [...], "old": o}
    {"op": "increment", "path": [...], "by": n}                   "old" with a float; "new": true where it began at 0
    {"op": "append",    "path": [...], "values": [...]}           "new": true where the list was missing
                                                                  "keep": n, only the newest n items stay; "cut": those
                                                                  that went then
    {"op": "splice",    "path": [...], "start": i, "count": n, "items": [...], "old": [...]}

"record": true marks what an undo leaves there; in a splice each of "old" is meant by its value then.

A `Tree` can be frozen for a reader that takes its time (writing 100 MiB): from then on a container is
copied, one level deep, before its first change, so what the reader holds never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakSet

from octo.errors import InvalidValue

from .values import Path, checked, copied, spell

Op = dict[str, Any]
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING", "__bool__": lambda self: False})()
"""Stands for "there is nothing", which None cannot: None is a value."""


class Watcher(Protocol):
    """Whoever keeps a place in the tree in mind, such as a live list."""

    def displaced(self, op: Op, foreign: bool) -> Callable[[], None] | None:
        """A change may have moved or removed what is at the place; returns how to take that back."""


class Tree:
    """A JSON value that changes by ops."""

    def __init__(self, root: Any, watchers: WeakSet[Watcher] | None = None) -> None:
        self.root = root
        self.watchers: WeakSet[Watcher] = WeakSet() if watchers is None else watchers
        self.displaced: list[Callable[[], None]] = []
        """How to put the watchers back where they were before the running transaction."""
        self._ours: set[int] | None = None

    def freeze(self) -> Any:
        """Return the tree as it is now; it stays so until `thaw`, whatever is applied here meanwhile."""
        self._ours = set()
        return self.root

    def thaw(self) -> None:
        """The reader is done: changes happen in place again."""
        self._ours = None

    def find(self, path: Path | list[Any]) -> Any:
        """The value at `path` itself (not a copy), or MISSING."""
        node = self.root
        for part in path:
            if type(node) is dict:
                node = node.get(part, MISSING)
                if node is MISSING:
                    return MISSING
            elif type(node) is list and type(part) is int and -len(node) <= part < len(node):
                node = node[part]
            else:
                return MISSING
        return node

    def _own(self, node: Any) -> Any:
        copy = node.copy()
        self._ours.add(id(copy))  # type: ignore[union-attr]
        return copy

    def container(self, path: Path | list[Any]) -> Any:
        """The dict or list at `path`, ready to be changed; InvalidValue where there is none."""
        if self._ours is None:
            node = self.find(path)
            if type(node) not in (dict, list):
                raise InvalidValue(f"{spell(path) or 'the whole'} is not a list or dict")
            return node
        if type(self.find(path)) not in (dict, list):
            raise InvalidValue(f"{spell(path) or 'the whole'} is not a list or dict")
        node = self.root
        if id(node) not in self._ours:
            node = self.root = self._own(node)
        for part in path:
            child = node[part]
            if id(child) not in self._ours:
                child = node[part] = self._own(child)
            node = child
        return node

    def apply(self, op: Op, *, foreign: bool = False) -> None:
        """Make one change. InvalidValue where it does not fit the tree; the tree is then untouched.

        `foreign`: another process made it, so positions that a live view has noted cannot be trusted.
        """
        self._apply(op)
        if self.watchers and (op["op"] == "splice" or "cut" in op or type(op.get("old")) in (dict, list)):
            if "cut" in op:
                op = {"op": "splice", "path": op["path"], "start": 0, "count": len(op["cut"]), "items": []}
            for watcher in list(self.watchers):
                back = watcher.displaced(op, foreign)
                if back is not None:
                    self.displaced.append(back)

    def _apply(self, op: Op) -> None:
        kind, path = op["op"], op["path"]
        if kind == "set":
            self.put(path, op["value"])
        elif kind == "delete":
            holder = self.container(path[:-1])
            if type(holder) is not dict or path[-1] not in holder:
                raise InvalidValue(f"{spell(path)} is not there")
            del holder[path[-1]]
        elif kind == "increment":
            old = self.find(path)
            if old is MISSING and op.get("new"):
                old = 0
            if type(old) not in (int, float):
                raise InvalidValue(f"{spell(path)} is not a number")
            self.put(path, _sum(old, op["by"], path))
        elif kind == "append":
            if op.get("new") and self.find(path) is MISSING:
                self.put(path, copied(op["values"]))
            else:
                self._list(path).extend(copied(op["values"]))
            if "keep" in op:
                del self._list(path)[: -op["keep"]]
        elif kind == "splice":
            items, start = self._list(path), op["start"]
            if start + op["count"] > len(items):
                raise InvalidValue(f"{spell(path)} has {len(items)} items; {start + op['count']} were expected")
            items[start : start + op["count"]] = copied(op["items"])
        else:
            raise InvalidValue(f"unknown change {kind!r}")

    def revert(self, op: Op) -> None:
        """Take back the newest change."""
        kind, path = op["op"], op["path"]
        if "old" in op and kind != "splice":
            self.put(path, copied(op["old"]))
        elif kind == "set" or op.get("new"):
            if path:
                del self.container(path[:-1])[path[-1]]
        elif kind == "increment":
            self.put(path, self.find(path) - op["by"])
        elif kind == "append":
            items = self._list(path)
            items[:0] = copied(op.get("cut", []))
            del items[len(items) - len(op["values"]) :]
        else:
            start = op["start"]
            self._list(path)[start : start + len(op["items"])] = copied(op["old"])

    def _list(self, path: Path | list[Any]) -> list[Any]:
        items = self.container(path)
        if type(items) is not list:
            raise InvalidValue(f"{spell(path)} is not a list")
        return items

    def put(self, path: Path | list[Any], value: Any) -> None:
        """Let `value` stand at `path`, in a dict or list that is there."""
        if not path:
            self.root = value
            if self._ours is not None and type(value) in (dict, list):
                self._ours.add(id(value))
            return
        holder, last = self.container(path[:-1]), path[-1]
        if type(holder) is list:
            if type(last) is not int or not -len(holder) <= last < len(holder):
                raise InvalidValue(f"{spell(path)}: the list has {len(holder)} items")
        elif type(last) is not str:
            raise InvalidValue(f"{spell(path)}: a dict's key is text")
        holder[last] = value


def _sum(old: Any, by: Any, path: Path | list[Any]) -> Any:
    """Their sum; too large where a change by others is laid on another number than it was made for."""
    try:
        return checked(old + by, tuple(path))
    except OverflowError:
        raise InvalidValue(f"{spell(path)}: {old} and {by} together are too large for a float") from None


def diff(old: Any, new: Any, path: Path = ()) -> list[Op]:
    """The changes that make `new` of `old`: key by key through dicts; a list is one value.

    What the two share (the same object) is not looked into, so comparing a tree with its frozen
    ancestor costs what was changed.
    """
    if old is new or (type(old) is type(new) and type(old) not in (dict, list) and old == new):
        return []
    if type(old) is not dict or type(new) is not dict:
        if _same(old, new):
            return []
        return [{"op": "set", "path": list(path), "value": new, "old": old}]
    ops: list[Op] = [
        {"op": "delete", "path": [*path, key], "old": value} for key, value in old.items() if key not in new
    ]
    for key, value in new.items():
        if key in old:
            ops += diff(old[key], value, (*path, key))
        else:
            ops.append({"op": "set", "path": [*path, key], "value": value})
    return ops


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON: 1, 1.0 and true are three different values."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return len(a) == len(b) and all(key in b and _same(value, b[key]) for key, value in a.items())
    if type(a) is list:
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
