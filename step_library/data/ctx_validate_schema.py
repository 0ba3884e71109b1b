"""A check of ctx against rules for each key: presence, type, length, ranges, fields and elements."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.formats.json_and_yaml import read_mapping
from step_library.kit.values.ctx_values import Ctx, described, plain
from step_library.kit.values.expressions import compiled
from step_library.kit.values.rules import Invalid, Test, problems, tests_of


@scriptlet(
    params=[
        Param("schema", "dict | str", help="a rule for each key of ctx, or the YAML or JSON file with them. A rule may "
              "have type, len, min_len, max_len, in, min, max, regex, fields, elem_type, items, check, check_elem, "
              "optional, default, when; an empty one asks only that the key is there"),
        Param("strict", "bool", False, "true and false are no int"),
        Param("dry_run", "bool", False, "return what is wrong instead of raising, and change nothing"),
        Param("list_rules", "bool", False, "return the rules as they are read, and check nothing"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Raise Invalid (a ValueError) with all that breaks the rules, a line each, in the order of the schema.

    Of a key presence, type and length are looked at in this order, then the rest; of a value of the wrong type nothing
    more is told. `fields` has rules for a dict's fields, `items` one rule for each element, `check` and `check_elem`
    a function (module:function) that refuses by False or an exception, `in` the values allowed, `when` an expression of
    keys of ctx without which the rule does not count, `default` a value for a missing key, put into ctx once nothing is
    wrong. Returns `{"validated": [keys]}`.
    """
    schema = _schema(params["schema"])
    if params["list_rules"]:
        return {"rules": schema}
    tests = {key: tests_of(rule, key, strict=params["strict"]) for key, rule in schema.items()}
    found: list[str] = []
    defaults: dict[str, Any] = {}
    for key, rule in schema.items():
        if rule.get("when") is not None and not _when(ctx, rule["when"], key):
            continue
        if key in ctx:
            found += _broken(ctx, key, tests[key], rule)
        elif "default" in rule:
            defaults[key] = rule["default"]
            found += problems(tests[key], rule["default"], f"ctx[{key}]")
        elif not rule.get("optional"):
            found.append(f"Missing ctx key: {key}")
    if params["dry_run"]:
        return {"validated": list(schema), "valid": not found, "problems": found}
    if found:
        raise Invalid(found)
    for key, value in defaults.items():
        ctx[key] = copy.deepcopy(value)
    return {"validated": list(schema)}


def _broken(ctx: Ctx, key: str, tests: list[Test], rule: Mapping[str, Any]) -> list[str]:
    of_the_outside = rule.keys() <= {"type", "len", "min_len", "max_len", "optional", "default", "when", "help"}
    value = ctx[key] if of_the_outside else plain(ctx, key)
    return list(problems(tests, value, f"ctx[{key}]"))


def _when(ctx: Ctx, text: Any, key: str) -> bool:
    if not isinstance(text, str):
        raise ParamError(f"schema/{key}/when is to be an expression, not {described(text)}")
    names = [name for name in ctx if name.isidentifier() and name in text]
    return bool(compiled(text, names)(*(plain(ctx, name) for name in names)))


def _schema(given: Any) -> dict[str, dict[str, Any]]:
    """Key -> rule, an empty one where there is nothing but the key."""
    if isinstance(given, str):
        given = read_mapping(given, "schema")
    found: dict[str, dict[str, Any]] = {}
    for key, rule in given.items():
        if isinstance(rule, (str, type)):
            rule = {"type": rule}
        if rule is not None and not isinstance(rule, Mapping):
            raise ParamError(f"schema/{key} is to be a dict of rules, not {described(rule)}")
        found[str(key)] = dict(rule or {})
    return found


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_validate_schema")
