"""The functions that the documents' examples take for granted, by step, for the theme control."""

from __future__ import annotations

from typing import Any

CALLABLES: dict[str, dict[str, Any]] = {
    "ctx_bg_job": {"my_func": lambda x, y: x + y, "foo": lambda x: x * x, "bar": lambda y: y - 2},
}
