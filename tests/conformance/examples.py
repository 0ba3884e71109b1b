"""The documented examples of the ready-made steps: which are run, which have a test of their own, which are left out.

Each entry of `data/steps/<theme>.yaml` is a step with its documented examples, unchanged but for these keys:

- `by_hand`: the test that holds it, where it is more than data (`tests/steps/test_x.py::test_y`);
- `overruled`: the rule that wins over it;
- `not_run`: another reason.

`wishes` has what the document wishes for the step: text -> `built: how` or `left: why`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
THEMES: dict[str, list[dict[str, Any]]] = {
    theme.stem: yaml.safe_load(theme.read_text(encoding="utf-8"))
    for theme in sorted((HERE / "data" / "steps").glob("*.yaml"))
}
CALL_ONLY = "a call without its outcome"
"""Of these at least the parameters are checked."""

ENTRIES = [entry for entries in THEMES.values() for entry in entries]


def left_out(example: dict[str, Any]) -> str:
    """Why an example is not run as it stands; "" where it is."""
    for own in ("by_hand", "overruled", "not_run"):
        if example.get(own):
            return str(example[own])
    if "params" not in example:
        return "in words"
    if not {"returns", "ctx_after", "raises"} & example.keys():
        return CALL_ONLY
    if "fn" in example["params"] and not str(example["params"]["fn"]).startswith(("<callable:", "py:")):
        return "a function that is not given"
    return ""
