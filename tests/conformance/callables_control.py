"""The functions that the documents' examples take for granted, by step, for the theme control."""

from __future__ import annotations

import time
from typing import Any


def long_running_sum(a: int, b: int) -> int:
    time.sleep(0.01)  # the documents' seconds are not worth waiting for
    return a + b


def safe_may_fail(a: int, b: int) -> Any:
    try:
        if b == 0:
            raise ValueError("No zero division!")
        return a / b
    except ValueError as error:
        return {"error": str(error)}


CALLABLES: dict[str, dict[str, Any]] = {
    "ctx_async": {"long_running_sum": long_running_sum, "lambda": lambda x: x**2, "safe_may_fail": safe_may_fail},
    "ctx_bg_job": {"my_func": lambda x, y: x + y, "foo": lambda x: x * x, "bar": lambda y: y - 2},
}
