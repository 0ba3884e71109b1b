"""A check that keys of ctx are there and of the right types; tells all that is wrong."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from octo.scriptlet import Param, scriptlet
from step_library.kit.records.records import append, check_list, now_text
from step_library.kit.values.ctx_values import Ctx, plain
from step_library.kit.values.kinds import Kind, kinds
from step_library.kit.values.rules import Invalid, Test, problems, tests_of

LOG = "validation_log"


@scriptlet(
    params=[
        Param("required", "list[str]", [], "keys that must be there"),
        Param("types", "dict", {}, "the type of each key, which must be there too: list, dict, str, int, float, "
              "number, bool, null, or a list of these"),
        Param("len", "dict", {}, "the length of each key's value"),
        Param("in", "dict", {}, "for each key a list of the values that are allowed"),
        Param("custom_validators", "dict", {}, "for each key a function of its value, module:function; False or an "
              "exception refuses it", ("validators",)),
        Param("defaults", "dict", {}, "values for keys that are not there, put into ctx once nothing is wrong"),
        Param("strict", "bool", False, "true and false are no int"),
        Param("dry_run", "bool", False, "return what is wrong instead of raising, and change nothing"),
        Param("log", "bool", False, "add the outcome to ctx['validation_log']"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Raise Invalid (a ValueError) with all that is wrong, a line each: what is missing first, then the wrong types.

    Returns `{"validated": [keys]}`; with dry_run `{"valid", "missing", "bad_types", "problems"}` beside it.
    """
    types = {key: kinds(kind, f"types/{key}", bool_is_int=not params["strict"])
             for key, kind in params["types"].items()}
    tests = _tests(params)
    defaults = params["defaults"]
    keys = list(dict.fromkeys([*params["required"], *types, *tests]))
    missing = [key for key in keys if key not in ctx and key not in defaults]
    bad: dict[str, str] = {key: _names(allowed) for key, allowed in types.items()
                           if key not in missing and allowed
                           and not any(kind.fits(_value(ctx, key, defaults)) for kind in allowed)}
    found = [f"Missing required ctx key: {key}" for key in missing]
    found += [f"ctx[{key!r}] is not of type {names}" for key, names in bad.items()]
    found += _broken(ctx, tests, defaults, {*missing, *bad})
    if params["log"] and not params["dry_run"]:
        check_list(ctx, LOG)
    result: dict[str, Any] = {"validated": keys}
    if params["dry_run"]:
        return {**result, "valid": not found, "missing": missing, "bad_types": list(bad), "problems": found}
    if not found:
        for key in defaults:
            if key not in ctx:
                ctx[key] = copy.deepcopy(defaults[key])
    if params["log"]:
        append(ctx, LOG, {"timestamp": now_text(), "validated": keys, "valid": not found,
                          "missing": missing, "bad_types": list(bad), "problems": found})
    if found:
        raise Invalid(found)
    return result


def _tests(params: Mapping[str, Any]) -> dict[str, list[Test]]:
    """Of each key, what is asked of it beside its type."""
    rules: dict[str, dict[str, Any]] = {}
    for param, name in (("len", "len"), ("in", "in"), ("custom_validators", "check")):
        for key, given in params[param].items():
            rules.setdefault(key, {})[name] = given
    return {key: tests_of(rule, key) for key, rule in rules.items()}


def _broken(ctx: Ctx, tests: Mapping[str, list[Test]], defaults: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for key, asked in tests.items():
        if key not in known:
            value = plain(ctx, key) if key in ctx else defaults[key]
            yield from problems(asked, value, f"ctx[{key!r}]")


def _value(ctx: Ctx, key: str, defaults: Mapping[str, Any]) -> Any:
    return ctx[key] if key in ctx else defaults[key]


def _names(allowed: list[Kind]) -> str:
    return " or ".join(kind.name for kind in allowed)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_validate")
