"""Which keys of ctx are new, gone or different against an earlier copy of it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from octo.context import Context
from octo.param import ParamError
from octo.scriptlet import Param, resolve, scriptlet
from step_library.kit.files.snapshots import load
from step_library.kit.values.ctx_values import Ctx, described, plain, put
from step_library.kit.values.differences import ABSENT, How, differences, equal, kind_of, text_diff


@scriptlet(
    params=[
        Param("old", "dict | str", help="the earlier copy: a dict or Context, a key of ctx that holds one, or the file "
              "of a JSON snapshot"),
        Param("filter_keys", "str | list[str] | null", None, "only keys that fit one of these: a name, a pattern such "
              "as raw_*, or a regular expression behind re:"),
        Param("ignore", "list[str]", [], "places that are not looked at, such as meta/time or rows/*/id"),
        Param("tolerance", "number", 0, "numbers that differ by no more than this are equal"),
        Param("types", "bool", False, "1, 1.0 and true are not equal"),
        Param("compare", "dict", {}, "for a key or a place a function of (old, new), module:function, that tells "
              "whether they are equal"),
        Param("details", "bool", False, "changed is a list of {key, kind, old, new}; kind is value or type, and text "
              "of several lines has its diff too"),
        Param("nested", "bool", False, "the same for each place inside a value that differs, with its path; kind may "
              "be added or removed then"),
        Param("authors", "bool", False, "add who changed the key last, and when (of a Context), to the details"),
        Param("out", "str | null", None, "key of ctx for the result as well"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Return `{"added": [keys], "removed": [keys], "changed": [keys]}` of ctx against `old`.

    Changed keys are those whose values are not equal, as Python's `!=` has it. Added and changed keys stand in the
    order of ctx, removed ones in that of `old`. ctx stays as it is, but for `out`; neither `out` nor a key that is
    `old` itself is compared.
    """
    old, itself = _old(ctx, params["old"])
    how = How(float(params["tolerance"]), params["types"], tuple(params["ignore"]),
              {place: _function(each, place) for place, each in params["compare"].items()})
    if how.tolerance < 0:
        raise ParamError(f"parameter 'tolerance' is to be 0 or more, not {params['tolerance']}")
    wanted = _wanted(params["filter_keys"])
    own = {itself, params["out"]}

    def looked_at(key: Any) -> bool:
        return key not in own and wanted(str(key)) and not any(fnmatchcase(str(key), one) for one in how.ignore)

    keys = [key for key in ctx if looked_at(key)]
    changed: list[Any] = []
    for key in keys:
        if key in old:
            changed += _changed(ctx, key, old[key], how, params)
    found = {"added": [key for key in keys if key not in old],
             "removed": [key for key in old if key not in ctx and looked_at(key)], "changed": changed}
    if params["out"]:
        put(ctx, params["out"], found)
    return found


def _old(ctx: Ctx, given: Any) -> tuple[Mapping[str, Any], str | None]:
    """The earlier copy, and the key of ctx that it is."""
    if not isinstance(given, str):
        return (given.plain() if isinstance(given, Context) else given), None
    if given not in ctx:
        return load(given), None
    found = plain(ctx, given)
    if not isinstance(found, Mapping):
        raise ParamError(f"old: ctx[{given!r}] is to be a dict, a copy of ctx, not {described(found)}")
    return found, given


def _wanted(given: str | list[str] | None) -> Callable[[str], bool]:
    if given is None:
        return lambda key: True
    tests: list[Callable[[str], Any]] = []
    for pattern in [given] if isinstance(given, str) else given:
        if pattern.startswith("re:"):
            try:
                tests.append(re.compile(pattern[3:]).search)
            except re.error as error:
                raise ParamError(f"filter_keys: {pattern[3:]!r} is no regular expression: {error}") from None
        else:
            tests.append(lambda key, pattern=pattern: key == pattern or fnmatchcase(key, pattern))  # type: ignore[misc]
    return lambda key: any(test(key) for test in tests)


def _function(given: Any, place: str) -> Callable[[Any, Any], Any]:
    found = resolve(given) if isinstance(given, str) else given
    if not callable(found):
        raise ParamError(f"compare/{place} is to be a function, not {described(given)}")
    return found


def _changed(ctx: Ctx, key: str, old: Any, how: How, params: Mapping[str, Any]) -> list[Any]:
    """The entries for one key; none where it is the same."""
    new = plain(ctx, key)
    if how.plain and equal(old, new):
        return []
    if not params["nested"]:
        if not how.plain and next(differences(old, new, key, how), None) is None:
            return []
        if not params["details"]:
            return [key]
        pairs = [(key, old, new)]
    else:
        pairs = list(differences(old, new, key, how))
    return [_entry(ctx, key, *pair, params) for pair in pairs]


def _entry(ctx: Ctx, key: str, place: str, old: Any, new: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"key": key, **({"path": place} if params["nested"] else {}), "kind": kind_of(old, new)}
    found |= {name: copy.deepcopy(value) for name, value in (("old", old), ("new", new)) if value is not ABSENT}
    if isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        found["diff"] = text_diff(old, new)
    if params["authors"] and isinstance(ctx, Context):
        last = ctx.get_history(key)[-1:]
        found |= {"who": last[0]["who"], "timestamp": last[0]["timestamp"]} if last else {}
    return found


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_diff")
