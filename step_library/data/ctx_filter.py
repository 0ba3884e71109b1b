"""Which keys of ctx fit: by name, by the type of the value, by an expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from octo.context import Context
from octo.errors import UsageError
from octo.scriptlet import Param, scriptlet
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, plain, put
from step_library.kit.values.expressions import condition
from step_library.kit.values.kinds import Kind, kinds

Narrow = Callable[[list[str]], list[str]]
"""From some keys to those of them that fit."""


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
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"{_asked(params)}: {len(ctx[params['out']])} keys, in {params['out']}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the keys of ctx that fit, in their order, into `ctx[out]`. What stood there before is not looked at.

    A value that the expression cannot be made out for (`value > 3` of a text) does not fit.
    """
    out = params["out"]
    tests = _tests(ctx, params)
    found = list(ctx)
    if out in ctx:
        found.remove(out)
    excluded = _texts(params["exclude"])
    if excluded:
        found = [key for key in found if not any(text in str(key) for text in excluded)]
    if params["match"] == "any" and tests:
        found = _any(tests, found)
    else:
        for narrowed in tests:
            found = narrowed(found)
    if params["mode"] == "keys":
        ctx[out] = found
    elif params["mode"] == "dict":
        put(ctx, out, {key: plain(ctx, key) for key in found})
    else:
        put(ctx, out, [[key, plain(ctx, key)] for key in found])
    return {"filtered": out}


def _tests(ctx: Ctx, params: Mapping[str, Any]) -> list[Narrow]:
    """What is to fit, the cheap things first; each looks at all keys at once, which is many times faster."""
    tests: list[Narrow] = []
    wanted = kinds(params["type"])
    if wanted:
        tests.append(partial(_of_type, ctx, wanted))
    patterns = _texts(params["pattern"])
    if patterns:
        tests.append(partial(_with_text, patterns))
    if params["regex"]:
        try:
            found = re.compile(params["regex"])
        except re.error as error:
            raise UsageError(f"regex {params['regex']!r}: {error}") from None
        tests.append(lambda keys: [key for key in keys if found.search(str(key))])
    if params["expr"]:
        holds = condition(params["expr"], ("key", "value"))
        tests.append(lambda keys: [key for key in keys if holds(key, plain(ctx, key))])
    if params["fn"]:
        tests.append(lambda keys: [key for key in keys if params["fn"](key, plain(ctx, key))])
    return tests


def _asked(params: Mapping[str, Any]) -> str:
    """The conditions, for the log."""
    names = ("pattern", "type", "regex", "exclude", "expr")
    return ", ".join(f"{name} {params[name]!r}" for name in names if params[name] is not None) or "no condition"


def _with_text(texts: list[str], keys: list[str]) -> list[str]:
    text = texts[0]
    try:
        if len(texts) == 1:
            return [key for key in keys if text in key]
    except TypeError:  # a plain dict may have keys that are no text
        pass
    return [key for key in keys if any(text in str(key) for text in texts)]


def _of_type(ctx: Ctx, wanted: list[Kind], keys: list[str]) -> list[str]:
    there = dict(ctx.items()) if isinstance(ctx, Context) else ctx  # all at once: a look at each key takes longer
    values: Collection[Any] = there.values() if keys == list(there) else list(map(there.get, keys))
    one_of_each = dict(zip(map(type, values), values, strict=True))
    fitting = {cls for cls, value in one_of_each.items() if any(kind.fits(value) for kind in wanted)}
    if len(fitting) == len(one_of_each):
        return keys
    return [key for key, value in zip(keys, values, strict=True) if type(value) in fitting]


def _any(tests: list[Narrow], keys: list[str]) -> list[str]:
    fitting: set[str] = set()
    for narrowed in tests:
        fitting.update(narrowed([key for key in keys if key not in fitting]))
    return [key for key in keys if key in fitting]


def _texts(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) and given else list(given or ())


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_filter")
