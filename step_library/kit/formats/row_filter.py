"""Which rows of a file are meant: conditions on the values of columns, as parameters state them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from octo.errors import ShapeError, UsageError
from step_library.kit.values.ctx_values import described

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}
Test = Callable[[Any], bool]


def tests_of(given: Mapping[str, Any]) -> dict[str, Test]:
    """A test a column. `{column: value}`, `{column: [one, of, these]}`, `{column: {">=": 1, "<": 5}}`.

    null is neither less nor more than anything. UsageError for a comparison that there is not.
    """
    return {column: _test(column, wanted) for column, wanted in given.items()}


def fits(row: Mapping[str, Any], tests: Mapping[str, Test]) -> bool:
    """Whether all the tests hold; a column that the row lacks is null."""
    return all(test(row.get(column)) for column, test in tests.items())


def _test(column: str, wanted: Any) -> Test:
    if isinstance(wanted, (list, tuple)):
        return lambda value: value in wanted
    if not isinstance(wanted, Mapping):
        return lambda value: bool(value == wanted)
    unknown = [sign for sign in wanted if sign not in COMPARISONS]
    if unknown:
        raise UsageError(f"filter: {column!r}: there is no comparison {unknown[0]!r}; there are "
                         f"{' '.join(COMPARISONS)}")

    def test(value: Any) -> bool:
        return all(_compared(column, value, sign, other) for sign, other in wanted.items())

    return test


def _compared(column: str, value: Any, sign: str, other: Any) -> bool:
    if sign not in ("==", "!=") and value is None:
        return False
    try:
        return bool(COMPARISONS[sign](value, other))
    except TypeError:
        raise ShapeError(f"filter: column {column!r} has {described(value)}, which is neither less nor more than "
                         f"{described(other)}") from None
