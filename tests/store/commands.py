"""Changes of a ctx, made by hypothesis, with what each does to a plain dict."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

VALUES = st.one_of(
    st.integers(-3, 3),
    st.booleans(),
    st.text("ab", max_size=2),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.sampled_from("xy"), st.integers(0, 3), max_size=2),
)
KEYS = st.sampled_from("abc")
COMMANDS = st.one_of(
    st.tuples(st.just("set"), KEYS, VALUES),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("increment"), KEYS, st.integers(-3, 3)),
    st.tuples(st.just("append"), KEYS, VALUES),
    st.tuples(st.just("splice"), KEYS, st.integers(0, 2), st.integers(0, 2), st.lists(st.integers(5, 8), max_size=2)),
    st.tuples(st.just("nested"), KEYS, st.sampled_from("xy"), VALUES),
    st.tuples(st.just("unnest"), KEYS, st.sampled_from("xy")),
    st.tuples(st.just("record"), st.just("log"), st.integers(0, 9)),
    st.tuples(st.just("record"), st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 3)),
    st.tuples(st.just("setdefault"), KEYS, st.integers(0, 3)),
)

START = st.dictionaries(KEYS, VALUES, max_size=3)


def do(ctx: Any, command: tuple[Any, ...]) -> None:
    """On a live ctx."""
    kind, key, *rest = command
    if kind == "set":
        ctx[key] = rest[0]
    elif kind == "delete":
        del ctx[key]
    elif kind == "increment":
        ctx.increment(key, rest[0])
    elif kind == "append":
        ctx.append(key, rest[0])
    elif kind == "splice":
        start, count, items = rest
        if start + count > len(ctx[key]):
            raise IndexError
        ctx[key][start : start + count] = items
    elif kind == "nested":
        ctx[key][rest[0]] = rest[1]
    elif kind == "unnest":
        del ctx[key][rest[0]]
    elif kind == "record":
        ctx.record(key, rest[0], keep=rest[1] if rest[1:] else None)
    elif isinstance(ctx.get(key), (dict, list)):
        raise KeyError  # a default of what is a container already is not noted: it would cost a copy of it
    else:
        ctx.setdefault(key, rest[0])


def model(state: dict[str, Any], command: tuple[Any, ...]) -> None:
    """The same on a plain dict, by other means; what does not fit is left."""
    kind, key, *rest = deepcopy(command)
    there = state.get(key)
    if kind == "set":
        state[key] = rest[0]
    elif kind == "delete":
        state.pop(key, None)
    elif kind == "increment" and (key not in state or type(there) is int):
        state[key] = state.get(key, 0) + rest[0]
    elif kind in ("append", "record") and (key not in state or type(there) is list):
        state.setdefault(key, []).append(rest[0])
        if rest[1:]:
            del state[key][: -rest[1]]
    elif kind == "splice" and type(there) is list and rest[0] + rest[1] <= len(there):
        there[rest[0] : rest[0] + rest[1]] = rest[2]
    elif kind == "nested" and type(there) is dict:
        there[rest[0]] = rest[1]
    elif kind == "unnest" and type(there) is dict:
        there.pop(rest[0], None)
    elif kind == "setdefault":
        state.setdefault(key, rest[0])
