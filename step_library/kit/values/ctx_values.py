"""What a step finds in ctx, whether that is a plain dict or a `Context`."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from octo.context import Context
from octo.errors import MissingKey, ShapeError, nearest
from octo.store.values import copied

Ctx = MutableMapping[str, Any]


def plain(ctx: Ctx, key: str) -> Any:
    """The value at `key` as plain data, which is read fast; MissingKey where there is none."""
    if key not in ctx:
        raise MissingKey(f"ctx has no key {key!r}{nearest(key, ctx) or _there(ctx)}")
    return ctx.plain(key) if isinstance(ctx, Context) else ctx[key]


def plain_list(ctx: Ctx, key: str) -> list[Any]:
    """The same, for a list; ShapeError where it is none."""
    found = plain(ctx, key)
    if not isinstance(found, (list, tuple)):
        raise ShapeError(f"ctx[{key!r}] is to be a list, not {described(found)}")
    return list(found) if isinstance(found, tuple) else found


def put(ctx: Ctx, key: str, value: Any) -> None:
    """Set a key by value, as a Context does by itself: what is changed there later changes nothing elsewhere."""
    ctx[key] = value if isinstance(ctx, Context) else copied(value)


def described(value: Any) -> str:
    """A value as messages show it: its type, and the value or its size."""
    if value is None:
        return "null"
    kind = type(value).__name__
    if isinstance(value, (list, tuple, Mapping)):
        return f"a {kind} of {len(value)}"
    text = repr(value)
    return f"{kind} {text if len(text) <= 60 else text[:59] + '…'}"


def _there(ctx: Ctx) -> str:
    names = [str(name) for name in ctx]
    if not names:
        return "; it is empty"
    return f"; it has {', '.join(names[:10])}" + (" …" if len(names) > 10 else "")
