"""Rules for values: type, length, range, choices, fields and elements; all that breaks them is told, with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from octo.errors import NameNotFound, ShapeError, nearest
from octo.param import ParamError
from octo.scriptlet import resolve
from step_library.kit.values.ctx_values import described
from step_library.kit.values.kinds import kinds

MOST = 100
"""So many problems are told; of more only how many."""
Test = Callable[[Any, str], Iterator[str]]
"""(value, its place) -> what is wrong."""


class Invalid(ShapeError, KeyError):
    """Data that breaks its rules; `problems` has all that is wrong, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = [f"and {len(problems) - MOST} more"] if len(problems) > MOST else []
        super().__init__("\n".join([*problems[:MOST], *more]))
        self.problems = list(problems)

    def __str__(self) -> str:  # a KeyError shows its message quoted
        return self.message


def tests_of(rule: Mapping[str, Any] | None, where: str, *, strict: bool = False) -> list[Test]:
    """What a rule asks of a value, in this order; ParamError (a ValueError) where it is no rule.

    `type` comes first: of a value of the wrong type nothing else is told. `strict`: true and false are no int.
    """
    rule = {} if rule is None else rule
    if not isinstance(rule, Mapping):
        raise ParamError(f"{where}: a rule is a dict, not {described(rule)}")
    for name in rule:
        if name not in MAKERS and name not in ABOUT_KEYS:
            raise ParamError(f"{where}: there is no rule {name!r}{nearest(str(name), [*MAKERS, *ABOUT_KEYS])}")
    return [make(rule[name], f"{where}/{name}", strict) for name, make in MAKERS.items() if rule.get(name) is not None]


def problems(tests: Sequence[Test], value: Any, place: str) -> Iterator[str]:
    """All that is wrong with a value; where its type is, only that."""
    for test in tests:
        found = list(test(value, place))
        yield from found
        if found and getattr(test, "__name__", "") == "of_type":
            return


def _type(given: Any, where: str, strict: bool) -> Test:
    allowed = kinds(given, where, bool_is_int=not strict)
    printed = " or ".join(kind.printed for kind in allowed)

    def of_type(value: Any, place: str) -> Iterator[str]:
        if not any(kind.fits(value) for kind in allowed):
            yield f"{place} is not {printed}"

    return of_type


def _length(sign: str, fits: Callable[[int, int], bool]) -> Callable[[Any, str, bool], Test]:
    def make(given: Any, where: str, strict: bool) -> Test:
        if not isinstance(given, int) or isinstance(given, bool):
            raise ParamError(f"{where} is to be int, not {described(given)}")

        def test(value: Any, place: str) -> Iterator[str]:
            if not hasattr(value, "__len__"):
                yield f"{place} length {sign} {given}: {described(value)} has none"
            elif not fits(len(value), given):
                yield f"{place} length {sign} {given}"

        return test

    return make


def _bound(sign: str, fits: Callable[[Any, Any], bool]) -> Callable[[Any, str, bool], Test]:
    def make(given: Any, where: str, strict: bool) -> Test:
        def test(value: Any, place: str) -> Iterator[str]:
            try:
                right = fits(value, given)
            except TypeError:
                right = False
            if not right:
                yield f"{place} is {described(value)}, which is not {sign} {given!r}"

        return test

    return make


def _one_of(given: Any, where: str, strict: bool) -> Test:
    if not isinstance(given, (list, tuple)):
        raise ParamError(f"{where} is to be a list, not {described(given)}")

    def test(value: Any, place: str) -> Iterator[str]:
        if value not in given:
            yield f"{place} is {described(value)}, which is none of {', '.join(map(repr, given))}"

    return test


def _regex(given: Any, where: str, strict: bool) -> Test:
    try:
        pattern = re.compile(given)
    except (re.error, TypeError) as error:
        raise ParamError(f"{where}: {given!r} is no regular expression: {error}") from None

    def test(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str) or not pattern.search(value):
            yield f"{place} is {described(value)}, which does not match {given!r}"

    return test


def _fields(given: Any, where: str, strict: bool) -> Test:
    if not isinstance(given, Mapping):
        raise ParamError(f"{where} is to be a dict of rules, not {described(given)}")
    inside = {name: (bool((rule or {}).get("optional")), tests) for name, rule in given.items()
              for tests in [tests_of(rule, f"{where}/{name}", strict=strict)]}

    def test(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{place} is {described(value)}, which has no fields"
            return
        for name, (optional, tests) in inside.items():
            if name in value:
                yield from problems(tests, value[name], _inside(place, name))
            elif not optional:
                yield f"{place} has no field {name!r}{nearest(name, map(str, value))}"

    return test


def _each(make: Callable[[Any, str, bool], Sequence[Test]]) -> Callable[[Any, str, bool], Test]:
    """The same asked of each element of a list, or each value of a dict."""
    def made(given: Any, where: str, strict: bool) -> Test:
        tests = make(given, where, strict)

        def test(value: Any, place: str) -> Iterator[str]:
            if not isinstance(value, (list, tuple, Mapping)):
                yield f"{place} is {described(value)}, which has no elements"
                return
            for name, element in value.items() if isinstance(value, Mapping) else enumerate(value):
                yield from problems(tests, element, _inside(place, name))

        return test

    return made


def _check(given: Any, where: str, strict: bool) -> Test:
    """A function of one value, by name too; it refuses by False or an exception."""
    try:
        check = resolve(given) if isinstance(given, str) else given
    except NameNotFound as error:
        raise ParamError(f"{where}: {error}") from None
    if not callable(check):
        raise ParamError(f"{where} is to be a function, not {described(given)}")

    def test(value: Any, place: str) -> Iterator[str]:
        try:
            why = "" if check(value) is False else None
        except Exception as error:
            why = f": {error}"
        if why is not None:
            yield f"{place} is refused by {getattr(check, '__name__', check)}{why}"

    return test


def _inside(place: str, name: Any) -> str:
    return f"{place[:-1]}/{name}]"


MAKERS: dict[str, Callable[[Any, str, bool], Test]] = {
    "type": _type,
    "len": _length("!=", lambda found, given: found == given),
    "min_len": _length("<", lambda found, given: found >= given),
    "max_len": _length(">", lambda found, given: found <= given),
    "in": _one_of,
    "min": _bound(">=", lambda value, given: value >= given),
    "max": _bound("<=", lambda value, given: value <= given),
    "regex": _regex,
    "fields": _fields,
    "elem_type": _each(lambda given, where, strict: [_type(given, where, strict)]),
    "items": _each(lambda given, where, strict: tests_of(given, where, strict=strict)),
    "check": _check,
    "check_elem": _each(lambda given, where, strict: [_check(given, where, strict)]),
}
ABOUT_KEYS = ("optional", "default", "when", "help")
