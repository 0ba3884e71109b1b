"""A place in the state that holds a list or a dict, and how a live value stays at it while others change things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from octo.errors import StaleView
from octo.store import MISSING, Transaction, spell
from octo.store.changes import Op
from octo.store.values import copied

from .access import Access


class Place:
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


class Live:
    """A place in the state that holds a list or a dict."""

    _views: ClassVar[dict[type, type[Live]]] = {}
    """What stands for a dict and for a list inside."""
    _kind: ClassVar[type] = object
    _watched: ClassVar[bool] = True

    def __init__(self, access: Access, path: tuple[Any, ...]) -> None:
        self._mark()
        self._access = access
        self._place = Place(path)
        if self._watched:
            access.file.watchers.add(self._place)

    @property
    def _path(self) -> tuple[Any, ...]:
        return self._place.path

    def _mark(self) -> None:
        raise NotImplementedError

    def _use(self, use: Callable[[Any], Any]) -> Any:
        return self._access.look(self._path, lambda value: use(self._own(self._checked(value))))

    def _own(self, there: Any) -> Any:
        """What of the value at the place is this one's."""
        return there

    def _checked(self, value: Any) -> Any:
        if self._place.gone or type(value) is not self._kind:
            raise StaleView(f"{spell(self._path)}: what was here was replaced or removed; read it anew")
        return value

    def _child(self, part: Any, value: Any) -> Any:
        view = self._views.get(type(value))
        return value if view is None else view(self._access, (*self._path, part))

    def _stands_at(self, path: tuple[Any, ...], value: Any) -> bool:
        """Whether `value` is what is at `path`: after `ctx["rows"] += [row]` nothing is left to be set there."""
        return (isinstance(value, Live) and value._access.file is self._access.file
                and value._path == path and not value._place.gone)

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
        if isinstance(other, Live):
            other = other.plain()
        return bool(self._use(lambda value: value == other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]
