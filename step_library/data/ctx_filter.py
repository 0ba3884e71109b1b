"""Which keys of ctx fit: by name, by the type of the value, by an expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from octo.errors import UsageError, nearest
from octo.scriptlet import Param, scriptlet
from step_library.ctx_values import Ctx, plain
from step_library.expressions import compiled

TYPES: dict[str, Callable[[Any], bool]] = {
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, Mapping),
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, float),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
TYPES["none"] = TYPES["None"] = TYPES["null"]

Test = Callable[[str], Any]


@scriptlet(
    params=[
        Param("pattern", "str | list[str] | null", None, "text in the key's name; of several, one is enough"),
        Param("type", "any", None, "type of the value: list, dict, str, int, float, number, bool, null, or a list of "
              "these"),
        Param("out", "str", "filtered_keys", "key of ctx for the result"),
        Param("regex", "str | null", None, "regular expression found in the key's name"),
        Param("exclude", "str | list[str] | null", None, "text that is not in the key's name"),
        Param("expr", "str | null", None, "expression of key and value, such as len(value) > 3"),
        Param("fn", "callable | null", None, "function of (key, value), such as my_module:is_wanted"),
        Param("match", "str", "all", "whether all that is given is to fit, or any of it", choices=("all", "any")),
        Param("mode", "str", "keys", "what is kept: the keys, a dict with the values, or [key, value] pairs",
              choices=("keys", "dict", "pairs")),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the keys of ctx that fit, in their order, into `ctx[out]`. What stood there before is not looked at."""
    out = params["out"]
    tests = _tests(ctx, params)
    fits = all if params["match"] == "all" or not tests else any
    excluded = _texts(params["exclude"])
    found = [key for key in ctx if key != out and not any(text in str(key) for text in excluded)
             and fits(test(key) for test in tests)]
    if params["mode"] == "keys":
        ctx[out] = found
    elif params["mode"] == "dict":
        ctx[out] = {key: plain(ctx, key) for key in found}
    else:
        ctx[out] = [[key, plain(ctx, key)] for key in found]
    return {"filtered": out}


def _tests(ctx: Ctx, params: Mapping[str, Any]) -> list[Test]:
    tests: list[Test] = []
    patterns = _texts(params["pattern"])
    if patterns:
        tests.append(lambda key: any(text in str(key) for text in patterns))
    kinds = _kinds(params["type"])
    if kinds:
        tests.append(lambda key: any(kind(ctx[key]) for kind in kinds))
    if params["regex"]:
        try:
            found = re.compile(params["regex"])
        except re.error as error:
            raise UsageError(f"regex {params['regex']!r}: {error}") from None
        tests.append(lambda key: found.search(str(key)))
    if params["expr"]:
        evaluate = compiled(params["expr"], ("key", "value"))
        tests.append(lambda key: evaluate(key, plain(ctx, key)))
    if params["fn"]:
        tests.append(lambda key: params["fn"](key, plain(ctx, key)))
    return tests


def _texts(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) and given else list(given or ())


def _kinds(given: Any) -> list[Callable[[Any], bool]]:
    """Tests for a type, or one of several: names, or Python's classes."""
    found: list[Callable[[Any], bool]] = []
    for kind in given if isinstance(given, (list, tuple)) else [given] if given else []:
        if isinstance(kind, type):
            found.append(TYPES.get(kind.__name__) or partial(_is_a, kind))
        elif kind in TYPES:
            found.append(TYPES[kind])
        else:
            raise UsageError(f"type: there is no type {kind!r}{nearest(str(kind), TYPES)}")
    return found


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_filter")
