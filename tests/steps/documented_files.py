"""The documented examples of the steps for files, for the tests that run them on real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).resolve().parents[1] / "conformance" / "data" / "steps" / "files.yaml"


def examples(step: str) -> list[dict[str, Any]]:
    """Those of one step that have parameters."""
    found = {entry["id"]: entry["examples"] for entry in yaml.safe_load(DATA.read_text(encoding="utf-8"))}
    return [example for example in found[step] if "params" in example]
