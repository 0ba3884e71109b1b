"""What steps put into a plain dict is a copy, as it is on a Context: a change of it changes nothing else."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest

CALLS: dict[str, dict[str, Any]] = {
    "ctx_diff": {"old": {"rows": [{"a": [0]}]}, "nested": True, "out": "out"},
    "ctx_filter": {"pattern": "rows", "mode": "dict", "out": "out"},
    "ctx_merge": {"key1": "rows", "key2": "none", "out": "out"},
    "ctx_table_view": {"key": "rows", "out": "out"},
    "ctx_transform_timeseries": {"key": "rows", "out": "out"},
    "ctx_view": {"key": "rows", "out": "out"},
}


def spoil(value: Any) -> None:
    """Change every list and dict in it."""
    for each in list(value.values() if isinstance(value, dict) else value):
        if isinstance(each, (list, dict)):
            spoil(each)
    value.clear()


@pytest.mark.parametrize("step", CALLS)
def test_nothing_is_shared(step: str) -> None:
    run = importlib.import_module(f"step_library.data.{step}").run
    ctx: dict[str, Any] = {"rows": [{"a": [1]}, {"a": [2, {"b": []}]}]}
    params = copy.deepcopy(CALLS[step])
    before = copy.deepcopy(ctx)
    result = run(ctx, params)
    told = copy.deepcopy(result)
    spoil(ctx["out"])
    assert ctx["rows"] == before["rows"] and result == told and params == CALLS[step]
    spoil(result)
    assert ctx["rows"] == before["rows"] and params == CALLS[step]
