"""Live values: lists and dicts in a run's state that write each change through, one record each.

A live value knows its place. Reading costs a look at the newest state, changing one small record,
however long the list is. When what it stands for is replaced or removed, using it raises `StaleView`.

They are true dicts and lists, as the documents promise: `isinstance` says so, and the encoder of `json`
takes them, because it goes by the methods of a subclass. Code in C that reads a dict's or list's own
memory instead (orjson does) finds only a mark there that is no value, so it fails and makes nothing up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, ItemsView, Iterable, Iterator, MutableMapping, MutableSequence, ValuesView
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from octo.errors import InvalidValue
from octo.store import MISSING, spell
from octo.store.values import copied

from .access import Access
from .place import Live

__all__ = ["Access", "LiveDict", "LiveList"]

if TYPE_CHECKING:
    _TrueDict = MutableMapping[str, Any]
    _TrueList = MutableSequence[Any]
else:

    class _TrueDict(MutableMapping, dict):
        """A dict by type; what it does is what the methods here do."""

    class _TrueList(MutableSequence, list):
        """A list by type."""


class _Elsewhere:
    """Stands in the memory of a live dict or list, so that nobody takes it for an empty one."""

    def __repr__(self) -> str:
        return "<the values are in the state: use .plain()>"


_ELSEWHERE = _Elsewhere()


class _Items(ItemsView[str, Any]):
    """All at one moment, with one look."""

    _mapping: LiveDict

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._mapping._pairs())


class _Values(ValuesView[Any]):
    _mapping: LiveDict

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping._pairs())


class LiveDict(Live, _TrueDict):
    """A dict in the state."""

    _kind = dict

    def _mark(self) -> None:
        dict.__setitem__(self, _ELSEWHERE, _ELSEWHERE)  # type: ignore[index]

    def _inner(self, key: Any) -> Any:
        """The key by which the state knows what this dict calls `key`."""
        return key

    def _outer(self, key: str) -> str:
        """The other way round."""
        return key

    def _at(self, key: Any) -> tuple[Any, ...]:
        """The place that is written for `key`."""
        if not isinstance(key, str):
            raise InvalidValue(f"{spell(self._path)}: the key {key!r} is not text")
        return (*self._path, self._inner(key))

    def _pairs(self) -> list[tuple[str, Any]]:
        pairs = self._use(lambda there: list(there.items()))
        return [(key, self._child(self._inner(key), value)) for key, value in pairs]

    def items(self) -> Any:
        return _Items(self)

    def values(self) -> Any:
        return _Values(self)

    def __getitem__(self, key: str) -> Any:
        inner = self._inner(key)
        value = self._access.look(self._path, lambda value: self._checked(value).get(inner, MISSING))
        if value is MISSING:
            raise KeyError(key)
        return self._child(inner, value)

    def __setitem__(self, key: str, value: Any) -> None:
        with self._changing() as tx:
            place = self._at(key)
            if not self._stands_at(place, value):
                tx.set(place, value)

    def __delitem__(self, key: str) -> None:
        with self._changing() as tx:
            place = (*self._path, self._inner(key))
            if tx.peek(place, MISSING) is MISSING:
                raise KeyError(key)
            tx.delete(place)

    def __iter__(self) -> Iterator[str]:
        return iter(self._use(list))

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._use(list))

    def __contains__(self, key: object) -> bool:
        inner = self._inner(key)
        return bool(self._access.look(self._path, lambda value: inner in self._checked(value)))

    def pop(self, key: str, default: Any = MISSING) -> Any:
        """Remove a key and return a plain copy of its value."""
        with self._changing() as tx:
            place = (*self._path, self._inner(key))
            if tx.peek(place, MISSING) is MISSING:
                if default is MISSING:
                    raise KeyError(key)
                return default
            value = tx.get(place)
            tx.delete(place)
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the newest key and return it with a plain copy of its value."""
        with self._changing():
            keys = list(self)
            if not keys:
                raise KeyError("popitem of an empty dict")
            return keys[-1], self.pop(keys[-1])

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value at `key`, which is put there first if there is none."""
        with self._changing() as tx:
            tx.setdefault(self._at(key), default)
        return self[key]

    def update(self, *others: Any, **more: Any) -> None:
        """Set several keys, as one change."""
        with self._changing() as tx:
            for key, value in dict(*others, **more).items():
                tx.set(self._at(key), value)

    def clear(self) -> None:
        with self._changing() as tx:
            for key in self:
                tx.delete((*self._path, self._inner(key)))

    def __or__(self, other: Any) -> dict[str, Any]:
        return {**self.plain(), **other}

    def __ror__(self, other: Any) -> dict[str, Any]:
        return {**other, **self.plain()}

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self


class LiveList(Live, _TrueList):
    """A list in the state."""

    _kind = list

    def _mark(self) -> None:
        list.append(self, _ELSEWHERE)  # type: ignore[arg-type]

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
                place = (*self._path, _position(index, length))
                if not self._stands_at(place, value):
                    tx.set(place, value)
                return
            start, stop, step = index.indices(length)
            if step == 1:
                tx.splice(self._path, start, max(0, stop - start), list(value))
                return
            places, values = list(range(start, stop, step)), list(value)
            if len(places) != len(values):
                raise ValueError(f"{len(values)} values for {len(places)} places")
            for position, item in zip(places, values, strict=True):
                tx.set((*self._path, position), item)

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

    def remove(self, value: Any) -> None:
        """Remove the first item that equals `value`; ValueError where none does."""
        with self._changing() as tx:
            tx.splice(self._path, self.index(value), 1, [])

    def index(self, value: Any, start: int = 0, stop: int = sys.maxsize) -> int:
        return int(self._use(lambda there: there.index(_plain(value), start, stop)))

    def count(self, value: Any) -> int:
        return int(self._use(lambda there: there.count(_plain(value))))

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
        return bool(self._use(lambda there: _plain(value) in there))

    def __add__(self, other: Iterable[Any]) -> list[Any]:
        return [*self.plain(), *other]

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self.plain()]

    def __mul__(self, times: SupportsIndex) -> list[Any]:
        return list(self.plain() * times)

    __rmul__ = __mul__

    def __imul__(self, times: SupportsIndex) -> LiveList:
        with self._changing() as tx:
            items = tx.get(self._path)
            if items * times:
                tx.append(self._path, (items * times)[len(items) :])
            else:
                self.clear()
        return self

    def __lt__(self, other: Any) -> bool:
        return bool(self._use(lambda value: value < _plain(other)))

    def __le__(self, other: Any) -> bool:
        return bool(self._use(lambda value: value <= _plain(other)))

    def __gt__(self, other: Any) -> bool:
        return bool(self._use(lambda value: value > _plain(other)))

    def __ge__(self, other: Any) -> bool:
        return bool(self._use(lambda value: value >= _plain(other)))


def _plain(value: Any) -> Any:
    return value.plain() if isinstance(value, Live) else value


def _position(index: int, length: int) -> int:
    place = index + length if index < 0 else index
    if not 0 <= place < length:
        raise IndexError(f"there is no item {index}; the list has {length}")
    return place


Live._views.update({dict: LiveDict, list: LiveList})
