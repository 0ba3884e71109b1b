"""The functions that the documents' examples take for granted, by step, for the theme observe."""

from __future__ import annotations

import time
from typing import Any


def slow_fn(x: int) -> int:
    time.sleep(0.05)
    return x * x


def simulate_data_fetch(delay: float = 1) -> dict[str, str]:
    time.sleep(delay / 50)  # the documents' seconds are not worth waiting for
    return {"new": "data"}


CALLABLES: dict[str, dict[str, Any]] = {
    "ctx_bg_trace": {"slow_fn": slow_fn, "simulate_data_fetch": simulate_data_fetch,
                     "some_function": lambda foo, bar: foo + bar},
}
