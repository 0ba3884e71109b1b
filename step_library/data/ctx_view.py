"""One page of those rows of a list in ctx that fit, and how many fit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from octo.errors import ShapeError
from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.values.ctx_values import Ctx, described, plain_list, put
from step_library.kit.values.expressions import condition
from step_library.kit.values.ranges import at_least
from step_library.kit.values.tables import ABSENT, field_of

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": lambda value, given: value > given, "gte": lambda value, given: value >= given,
    "lt": lambda value, given: value < given, "lte": lambda value, given: value <= given,
    "ne": lambda value, given: value != given, "in": lambda value, given: value in given,
    "contains": lambda value, given: value is not None and given.lower() in str(value).lower(),
}


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the rows, which are dicts"),
        Param("filter", "dict", {}, "field: value, all of which must be equal; field__gt, __gte, __lt, __lte, __ne, "
              "__in (one of a list), __contains (text in it, in any case) compare otherwise"),
        Param("page", "int", 0, "which page, from 0"),
        Param("page_size", "int", 100, "rows a page"),
        Param("expr", "str | null", None, "expression of row that must hold too, such as row['v'] > 1"),
        Param("sort_by", "str | null", None, "field to sort by; rows without it, or with null, come last"),
        Param("reverse", "bool", False, "the greatest first"),
        Param("out", "str | null", None, "key of ctx for {view, total} as well"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Return `{"view": [rows of that page], "total": rows that fit}`; ctx stays as it is, but for `out`.

    A row without a field that is filtered by does not fit, nor one whose value cannot be compared, by expr too. A page
    behind the last is empty. The rows are copies.
    """
    key = params["key"]
    at_least("page", params["page"], 0)
    at_least("page_size", params["page_size"], 1)
    tests = [_test(name, given) for name, given in params["filter"].items()]
    if params["expr"]:
        tests.append(condition(params["expr"], ("row",)))
    rows = plain_list(ctx, key)
    odd = next((number for number, row in enumerate(rows) if not isinstance(row, Mapping)), None)
    if odd is not None:
        raise ShapeError(f"ctx[{key!r}]: row {odd} is to be a dict, not {described(rows[odd])}")
    found = [row for row in rows if all(test(row) for test in tests)] if tests else rows
    if params["sort_by"] is not None:
        found = _sorted(found, params["sort_by"], params["reverse"], f"ctx[{key!r}]")
    elif params["reverse"]:
        found = found[::-1]
    start = params["page"] * params["page_size"]
    result = {"view": copy.deepcopy(found[start:start + params["page_size"]]), "total": len(found)}
    if params["out"]:
        put(ctx, params["out"], result)
    return result


def _test(name: str, given: Any) -> Callable[[Any], Any]:
    """Whether a row fits; a field of that whole name goes before an operator at its end."""
    field, sign, operator = name.rpartition("__")
    if sign and operator in OPERATORS:
        if operator == "in" and not isinstance(given, (list, tuple)):
            raise ParamError(f"filter: {name!r} needs a list, not {described(given)}")
        if operator == "contains" and not isinstance(given, str):
            raise ParamError(f"filter: {name!r} needs text, not {described(given)}")
    else:
        operator = ""

    def test(row: Any) -> bool:
        if not operator or name in row:
            value = field_of(row, name)
            return value is not ABSENT and bool(value == given)
        value = field_of(row, field)
        try:
            return value is not ABSENT and bool(OPERATORS[operator](value, given))
        except TypeError:
            return False

    return test


def _sorted(rows: list[Any], field: str, reverse: bool, where: str) -> list[Any]:
    values = [field_of(row, field) for row in rows]
    there = [place for place, value in enumerate(values) if value is not ABSENT and value is not None]
    try:
        order = sorted(there, key=values.__getitem__, reverse=reverse)
    except TypeError as error:
        raise ShapeError(f"{where} cannot be sorted by {field!r}: {error}") from None
    last = [place for place, value in enumerate(values) if value is ABSENT or value is None]
    return [rows[place] for place in [*order, *last]]


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_view")
