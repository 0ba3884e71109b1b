"""The functions that the documents' examples take for granted, by step, for the theme state."""

from __future__ import annotations

from typing import Any

CALLABLES: dict[str, dict[str, Any]] = {
    "ctx_cache": {"compute_sum": lambda a, b: a + b, "expensive_count_rows": lambda data: len(data)},
}
