"""A check that stops the run: a key of ctx must equal, exceed, match … an expected value."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from octo.context import Context
from octo.errors import OctoError, nearest
from octo.param import MissingParam, ParamError
from octo.scriptlet import Param, resolve, scriptlet
from step_library.kit.records.records import check_list, log
from step_library.kit.values.ctx_values import Ctx, described, plain
from step_library.kit.values.kinds import kinds

NOT_GIVEN = "<not given>"
OPS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "eq": ("==", operator.eq), "ne": ("!=", operator.ne), "gt": (">", operator.gt), "lt": ("<", operator.lt),
    "ge": (">=", operator.ge), "le": ("<=", operator.le),
    "in": ("in", lambda value, expected: value in expected),
    "not_in": ("not in", lambda value, expected: value not in expected),
    "contains": ("contains", lambda value, expected: expected in value),
    "matches": ("matches", lambda value, expected: isinstance(value, str) and re.search(expected, value) is not None),
}
FIELDS = ("key", "expected", "op", "type", "message")


class CheckFailed(OctoError, AssertionError):
    """A value in ctx is not what it is to be; `failed` has each failed check in words."""

    def __init__(self, failed: list[str]) -> None:
        super().__init__("\n".join(failed))
        self.failed = failed


@scriptlet(
    params=[
        Param("key", "str | null", None, "key of ctx to check; one that is not there counts as null"),
        Param("expected", "any", NOT_GIVEN, "what the value is compared with; needed unless type or checks is given"),
        Param("op", "str | callable", "eq", "eq, ne, gt, lt, ge, le, in, not_in (the value in expected), contains "
              "(expected in the value), matches (a regular expression), or module:function of (value, expected)"),
        Param("message", "str | null", None, "text in front of the error and of the entry in the log"),
        Param("checks", "list | null", None, "instead of key: several checks, each {key, expected, op, type, message}"),
        Param("strict", "bool", True, "false: a failed check is a warning in ctx['log'] and no error"),
        Param("type", "any", None, "type that the value must have too: int, float, number, str, bool, list, dict, "
              "null, or a list of these"),
        Param("collect", "bool", False, "make all checks and tell all that failed, instead of stopping at the first"),
        Param("history", "int", 0, "on a failure tell the last so many changes of the key (of a Context)"),
        Param("tags", "list[str] | null", None, "words to keep in the entry of the log"),
    ],
    one_of=[("key", "checks")],
    any_of=[("expected", "type", "checks")],
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Raise CheckFailed (an AssertionError) where `ctx[key]` is not as expected; both outcomes go to `ctx["log"]`.

    Equality is Python's: true equals 1; `type` is stricter. Returns `{"asserted": True}`; with strict false and a
    check that failed `{"asserted": False, "failed": [...]}`.
    """
    checks = _checks(params)
    check_list(ctx, "log")
    more = {"tags": params["tags"]} if params["tags"] else {}
    failed: list[str] = []
    for check in checks:
        wrong = _wrong(ctx, check)
        front = f"{check['message']}: " if check["message"] else ""
        if not wrong:
            log(ctx, f"{front}{_claim(check)} holds", "INFO", **more)
            continue
        text = f"{front}{wrong}{_history(ctx, check['key'], params['history'])}"
        log(ctx, text, "ERROR" if params["strict"] else "WARN", **more)
        failed.append(text)
        if params["strict"] and not params["collect"]:
            break
    if failed and params["strict"]:
        raise CheckFailed(failed)
    return {"asserted": not failed, **({"failed": failed} if failed else {})}


def _checks(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All checks with all fields, nothing missing or misspelt."""
    if params["checks"] is None:
        return [_check({name: params[name] for name in FIELDS}, "")]
    if params["expected"] != NOT_GIVEN:
        raise ParamError("'checks' takes the place of 'key' and 'expected': give one or the other")
    found = []
    for number, given in enumerate(params["checks"]):
        where = f"checks[{number}]: "
        if not isinstance(given, Mapping):
            raise ParamError(f"{where}a check is a dict, not {described(given)}")
        odd = next((name for name in given if name not in FIELDS), None)
        if odd is not None:
            raise ParamError(f"{where}unknown field {odd!r}{nearest(str(odd), FIELDS)}")
        base = {"key": None, "expected": NOT_GIVEN, **{name: params[name] for name in ("op", "type", "message")}}
        found.append(_check({**base, **given}, where))
    return found


def _check(check: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(check["key"], str):
        raise MissingParam(f"{where}parameter 'key' is missing: key of ctx to check")
    check["kinds"] = kinds(check["type"], f"{where}type")
    if check["expected"] == NOT_GIVEN and not check["kinds"]:
        raise MissingParam(f"{where}parameter 'expected' is missing: what ctx[{check['key']!r}] is compared with")
    op = check["op"]
    if op == "matches" and check["expected"] != NOT_GIVEN:
        try:
            re.compile(check["expected"])
        except (re.error, TypeError) as error:
            raise ParamError(f"{where}expected: {check['expected']!r} is no regular expression: {error}") from None
    if callable(op):
        check["sign"], check["test"] = getattr(op, "__name__", "fits"), op
    elif op in OPS:
        check["sign"], check["test"] = OPS[op]
    elif isinstance(op, str) and (":" in op or "." in op):
        check["sign"], check["test"] = op, resolve(op)
    else:
        raise ParamError(f"{where}op: there is no {op!r}; there are {', '.join(OPS)}, and module:function")
    return check


def _wrong(ctx: Ctx, check: Mapping[str, Any]) -> str:
    """What is wrong; "" where the check holds."""
    value = plain(ctx, check["key"]) if check["key"] in ctx else None
    it_is = f"it is {described(value)}" if check["key"] in ctx else "it is not there"
    if check["kinds"] and not any(kind.fits(value) for kind in check["kinds"]):
        return f"ctx[{check['key']!r}] is not of type {_names(check)}: {it_is}"
    if check["expected"] == NOT_GIVEN:
        return ""
    try:
        if check["test"](value, check["expected"]):
            return ""
    except (TypeError, ValueError) as error:
        it_is += f" ({error})"
    return f"{_claim(check)} does not hold: {it_is}"


def _claim(check: Mapping[str, Any]) -> str:
    if check["expected"] == NOT_GIVEN:
        return f"that ctx[{check['key']!r}] is of type {_names(check)}"
    text = repr(check["expected"])
    return f"ctx[{check['key']!r}] {check['sign']} {text if len(text) <= 100 else text[:99] + '…'}"


def _names(check: Mapping[str, Any]) -> str:
    return " or ".join(kind.name for kind in check["kinds"])


def _history(ctx: Ctx, key: str, number: int) -> str:
    if number < 1 or not isinstance(ctx, Context):
        return ""
    told = [f"{entry['who'] or 'someone'} set {described(entry['value'])}" if not entry.get("op") else
            f"{entry['who'] or 'someone'} changed {'/'.join(map(str, entry.get('path') or []))}"
            for entry in ctx.get_history(key)[-number:]]
    return f"; before: {', '.join(told)}" if told else ""


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_assert")
