"""Live values: lists and dicts in an instance's state that write each change through, one record each.

A live value knows its place. Reading costs a look at the newest state, changing one small record,
however long the list is. When what it stands for is replaced or removed, using it raises `StaleView`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping, MutableSequence
from contextlib import contextmanager
from functools import partial
from typing import Any, overload

from octo.errors import AttemptEnded, StaleView
from octo.store import MISSING, Author, Transaction, spell
from octo.store.changes import Op
from octo.store.state_file import StateFile
from octo.store.values import copied


class Access:
    """What a step's values are read and written through: the state, the author, and until when."""

    def __init__(self, file: StateFile, author: Author, stop: threading.Event | None = None) -> None:
        self.file = file
        self.author = author
        self.stop = stop or threading.Event()
        self.closed = False

    @contextmanager
    def changing(self, who: str | None = None) -> Iterator[Transaction]:
        """One record, in this author's name; AttemptEnded when the call that it belongs to is over."""
        if self.closed:
            raise AttemptEnded(f"{self.author.who}: this call of the step is over; nothing was changed")
        with self.file.transaction(who or self.author.who, self.author, later=True) as tx:
            yield tx

    def look(self, path: tuple[Any, ...], use: Callable[[Any], Any]) -> Any:
        """`use` the value at `path` (MISSING where there is none) while it cannot change."""
        return self.file.look(path, use)


class _Place:
    """Where a live value is, kept right while lists above it grow and shrink."""

    def __init__(self, path: tuple[Any, ...]) -> None:
        self.path = path
        self.gone = False

    def displaced(self, op: Op, foreign: bool) -> Callable[[], None] | None:
        """Follow an item of a list that moved; note it when the value itself has left the tree."""
        path, mine = op["path"], self.path
        if list(mine[: len(path)]) != path:
            return None
        before = self.path, self.gone
        if op["op"] != "splice":
            self.gone = True
        elif len(mine) > len(path) and mine[len(path)] >= op["start"]:
            position, grown = mine[len(path)], len(op["items"]) - op["count"]
            if foreign or position < op["start"] + op["count"]:
                self.gone = True
            else:
                self.path = (*mine[: len(path)], position + grown, *mine[len(path) + 1 :])
        return partial(self._back, *before)

    def _back(self, path: tuple[Any, ...], gone: bool) -> None:
        self.path, self.gone = path, gone


class _Live:
    """A place in the state that holds a list or a dict."""

    _kind: type = object
    _watched = True

    def __init__(self, access: Access, path: tuple[Any, ...]) -> None:
        self._access = access
        self._place = _Place(path)
        if self._watched:
            access.file.watchers.add(self._place)

    @property
    def _path(self) -> tuple[Any, ...]:
        return self._place.path

    def _use(self, use: Callable[[Any], Any]) -> Any:
        return self._access.look(self._path, lambda value: use(self._checked(value)))

    def _checked(self, value: Any) -> Any:
        if self._place.gone or type(value) is not self._kind:
            raise StaleView(f"{spell(self._path)}: what was here was replaced or removed; read it anew")
        return value

    def _child(self, part: Any, value: Any) -> Any:
        if type(value) is dict:
            return LiveDict(self._access, (*self._path, part))
        if type(value) is list:
            return LiveList(self._access, (*self._path, part))
        return value

    @contextmanager
    def _changing(self) -> Iterator[Transaction]:
        with self._access.changing() as tx:
            self._checked(tx.peek(self._path, MISSING))
            yield tx

    def plain(self) -> Any:
        """A plain copy, fast to read."""
        return self._use(copied)

    __octo_plain__ = plain

    def copy(self) -> Any:
        return self.plain()

    def __copy__(self) -> Any:
        return self.plain()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.plain()

    def __reduce__(self) -> Any:
        return copied, (self.plain(),)

    def __len__(self) -> int:
        return int(self._use(len))

    def __repr__(self) -> str:
        return repr(self.plain())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Live):
            other = other.plain()
        return bool(self._use(lambda value: value == other))

    __hash__ = None  # type: ignore[assignment]


class LiveDict(_Live, MutableMapping[str, Any]):
    """A dict in the state."""

    _kind = dict

    def __getitem__(self, key: str) -> Any:
        value = self._use(lambda there: there.get(key, MISSING))
        if value is MISSING:
            raise KeyError(key)
        return self._child(key, value)

    def __setitem__(self, key: str, value: Any) -> None:
        with self._changing() as tx:
            tx.set((*self._path, _text(key, self._path)), value)

    def __delitem__(self, key: str) -> None:
        with self._changing() as tx:
            if tx.peek((*self._path, key), MISSING) is MISSING:
                raise KeyError(key)
            tx.delete((*self._path, key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._use(list))

    def __contains__(self, key: object) -> bool:
        return bool(self._use(lambda there: key in there))

    def pop(self, key: str, default: Any = MISSING) -> Any:
        """Remove a key and return a plain copy of its value."""
        with self._changing() as tx:
            value = tx.get((*self._path, key), MISSING if default is MISSING else default)
            if tx.peek((*self._path, key), MISSING) is not MISSING:
                tx.delete((*self._path, key))
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the newest key and return it with a plain copy of its value."""
        with self._changing() as tx:
            keys = list(tx.peek(self._path, {}))
            if not keys:
                raise KeyError("popitem of an empty dict")
            return keys[-1], self.pop(keys[-1])

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value at `key`, which is put there first if there is none."""
        with self._changing() as tx:
            if tx.peek((*self._path, key), MISSING) is MISSING:
                tx.set((*self._path, _text(key, self._path)), default)
        return self[key]

    def update(self, *others: Any, **more: Any) -> None:
        """Set several keys, as one change."""
        with self._changing() as tx:
            for key, value in dict(*others, **more).items():
                tx.set((*self._path, _text(key, self._path)), value)

    def clear(self) -> None:
        with self._changing() as tx:
            for key in list(tx.peek(self._path, {})):
                tx.delete((*self._path, key))

    def __or__(self, other: Any) -> dict[str, Any]:
        return {**self.plain(), **other}

    def __ror__(self, other: Any) -> dict[str, Any]:
        return {**other, **self.plain()}

    def __ior__(self, other: Any) -> LiveDict:
        self.update(other)
        return self


class LiveList(_Live, MutableSequence[Any]):
    """A list in the state."""

    _kind = list

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._use(lambda there: copied(there[index]))
        position, value = self._use(lambda there: (_position(index, len(there)), there[index]))
        return self._child(position, value)

    def __setitem__(self, index: Any, value: Any) -> None:
        with self._changing() as tx:
            length = len(tx.peek(self._path))
            if not isinstance(index, slice):
                tx.set((*self._path, _position(index, length)), value)
                return
            start, stop, step = index.indices(length)
            if step == 1:
                tx.splice(self._path, start, max(0, stop - start), list(value))
                return
            places, values = list(range(start, stop, step)), list(value)
            if len(places) != len(values):
                raise ValueError(f"{len(values)} values for {len(places)} places")
            for place, item in zip(places, values, strict=True):
                tx.set((*self._path, place), item)

    def __delitem__(self, index: int | slice) -> None:
        with self._changing() as tx:
            length = len(tx.peek(self._path))
            if not isinstance(index, slice):
                tx.splice(self._path, _position(index, length), 1, [])
                return
            start, stop, step = index.indices(length)
            if step == 1:
                tx.splice(self._path, start, max(0, stop - start), [])
            else:
                for place in sorted(range(start, stop, step), reverse=True):
                    tx.splice(self._path, place, 1, [])

    def insert(self, index: int, value: Any) -> None:
        with self._changing() as tx:
            length = len(tx.peek(self._path))
            place = max(0, index + length) if index < 0 else min(index, length)
            tx.splice(self._path, place, 0, [value])

    def append(self, value: Any) -> None:
        with self._changing() as tx:
            tx.append(self._path, [value])

    def extend(self, values: Iterable[Any]) -> None:
        items = list(values)
        with self._changing() as tx:
            tx.append(self._path, items)

    def __iadd__(self, values: Iterable[Any]) -> LiveList:
        self.extend(values)
        return self

    def pop(self, index: int = -1) -> Any:
        """Remove an item and return a plain copy of it."""
        with self._changing() as tx:
            place = _position(index, len(tx.peek(self._path)))
            value = tx.get((*self._path, place))
            tx.splice(self._path, place, 1, [])
        return value

    def clear(self) -> None:
        with self._changing() as tx:
            tx.splice(self._path, 0, len(tx.peek(self._path)), [])

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        """Sort in place; the whole list is one change."""
        with self._changing() as tx:
            items = tx.get(self._path)
            items.sort(key=key, reverse=reverse)
            tx.splice(self._path, 0, len(items), items)

    def reverse(self) -> None:
        with self._changing() as tx:
            items = tx.get(self._path)
            tx.splice(self._path, 0, len(items), items[::-1])

    def __iter__(self) -> Iterator[Any]:
        """As a list does: item by item, whatever is put in or taken out meanwhile."""
        position = 0

        def item(there: Any) -> Any:
            items = self._checked(there)
            return items[position] if position < len(items) else MISSING

        while (value := self._access.look(self._place.path, item)) is not MISSING:
            yield self._child(position, value)
            position += 1

    def __contains__(self, value: object) -> bool:
        return bool(self._use(lambda there: value in there))

    def __add__(self, other: Iterable[Any]) -> list[Any]:
        return [*self.plain(), *other]

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self.plain()]


def _position(index: int, length: int) -> int:
    place = index + length if index < 0 else index
    if not 0 <= place < length:
        raise IndexError(f"there is no item {index}; the list has {length}")
    return place


def _text(key: Any, path: tuple[Any, ...]) -> str:
    from octo.errors import InvalidValue

    if not isinstance(key, str):
        raise InvalidValue(f"{spell(path)}: the key {key!r} is not text")
    return key
