"""Expressions in parameters, such as `len(value) > 3`: evaluated by simpleeval, without attributes, never by `eval`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from octo.errors import NotAvailable, ShapeError, UsageError

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "all": all, "any": any, "bool": bool, "float": float, "int": int, "len": len, "max": max, "min": min,
    "round": round, "sorted": sorted, "str": str, "sum": sum,
    "lower": lambda text: str(text).lower(), "upper": lambda text: str(text).upper(),
    "startswith": lambda text, front: str(text).startswith(front),
    "endswith": lambda text, end: str(text).endswith(end),
}


class ExpressionFailed(ShapeError):
    """An expression that cannot be made out for these values, such as a text that is compared with a number."""


def compiled(text: str, names: Sequence[str]) -> Callable[..., Any]:
    """A function of the values of `names`, in their order. UsageError where the text is no such expression.

    The function raises ExpressionFailed (a ValueError and a TypeError) where it does not fit the values.
    """
    try:
        from simpleeval import EvalWithCompoundTypes, InvalidExpression
    except ImportError:
        raise NotAvailable("expressions need simpleeval", hints=["pip install 'octo-step-engine[data]'"]) from None
    evaluator = EvalWithCompoundTypes(functions=dict(FUNCTIONS), allowed_attrs={})
    try:
        parsed = evaluator.parse(text)
    except (SyntaxError, InvalidExpression) as error:
        raise UsageError(f"the expression {text!r} cannot be read: {error}") from None

    def evaluate(*values: Any) -> Any:
        evaluator.names = dict(zip(names, values, strict=True))
        try:
            return evaluator.eval(text, previously_parsed=parsed)
        except InvalidExpression as error:
            raise UsageError(f"the expression {text!r}: {error}; it may use {', '.join(names)} and the functions "
                             f"{', '.join(FUNCTIONS)}") from None
        except Exception as error:
            raise ExpressionFailed(f"the expression {text!r}: {type(error).__name__}: {error}") from None

    return evaluate


def condition(text: str, names: Sequence[str]) -> Callable[..., bool]:
    """The same as a yes or no; values that the expression does not fit are a no."""
    evaluate = compiled(text, names)

    def holds(*values: Any) -> bool:
        try:
            return bool(evaluate(*values))
        except ExpressionFailed:
            return False

    return holds
