"""The documented examples of the ready-made steps, on a dict and on a `Context`, by both of their import paths."""

from __future__ import annotations

import builtins
import copy
import importlib
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from octo.context import Context
from octo.errors import OctoError
from octo.executors.jobs import default_pool

HERE = Path(__file__).resolve().parent
THEMES = sorted((HERE / "data" / "steps").glob("*.yaml"))
ENTRIES = [entry for theme in THEMES for entry in yaml.safe_load(theme.read_text(encoding="utf-8"))]
CALLABLES: dict[str, dict[str, Any]] = {}
"""The functions that examples take for granted, by step; from `callables_<theme>.py`."""
for theme in THEMES:
    if (HERE / f"callables_{theme.stem}.py").exists():
        CALLABLES |= importlib.import_module(f"{__package__}.callables_{theme.stem}").CALLABLES
PACKAGES = ("scriptlets.python.core", "scriptlets.python.steps")


def left_out(example: dict[str, Any]) -> str:
    """Why an example is not run; "" where it is."""
    if example.get("by_hand"):
        return str(example["by_hand"])
    if example.get("overruled"):
        return str(example["overruled"])
    if "params" not in example:
        return "in words"
    if not {"returns", "ctx_after", "raises"} & example.keys():
        return "says nothing of what comes out"
    if "fn" in example["params"] and not str(example["params"]["fn"]).startswith(("<callable:", "py:")):
        return "a function that is not given"
    return ""


RUN = [
    pytest.param(entry["id"], example, id=f"{entry['id']}-{number}")
    for entry in ENTRIES
    for number, example in enumerate(entry["examples"])
    if not left_out(example)
]


def filled(value: Any, step: str) -> Any:
    """`py:EXPR` and `<callable:NAME>` as what they stand for."""
    if isinstance(value, dict):
        return {key: filled(each, step) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, step) for each in value]
    if isinstance(value, str) and value.startswith("py:"):
        return eval(value[3:], vars(builtins) | {"math": math})  # the test's own data
    found = re.fullmatch(r"<callable:(\w+)>", value) if isinstance(value, str) else None
    return CALLABLES[step][found[1]] if found else value


def fits(found: Any, wanted: Any) -> bool:
    """Only the keys that are named count; `<…>` stands for anything."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and fits(found[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(fits, found, wanted))
    if isinstance(wanted, str) and re.fullmatch(r"<[^>]*>", wanted):
        return True
    if isinstance(wanted, float) and isinstance(found, float):
        return math.isclose(found, wanted, rel_tol=1e-12)
    return bool(found == wanted) and type(found) is type(wanted)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("kind", ["dict", "Context"])
@pytest.mark.parametrize(("step", "example"), RUN)
def test_example(step: str, example: dict[str, Any], kind: str, package: str, tmp_path: Path,
                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    example = filled(copy.deepcopy(example), step)
    run = importlib.import_module(f"{package}.{step}").run
    before = example.get("ctx", {})
    ctx: Any = dict(before) if kind == "dict" else Context(before)
    if "raises" in example:
        name, _, text = str(example["raises"]).partition(":")
        with pytest.raises(getattr(builtins, name), match=re.escape(text.strip()) or None) as caught:
            run(ctx, example["params"])
        assert isinstance(caught.value, OctoError)
        return
    result = run(ctx, example["params"])
    assert default_pool().wait(30)
    if "returns" in example:
        assert fits(result, example["returns"]), result
    after = ctx if kind == "dict" else {key: ctx.plain(key) for key in ctx}
    assert fits(after, example.get("ctx_after", {})), after


def test_both_paths_are_one_module() -> None:
    for entry in ENTRIES:
        if entry["path"].endswith(".sh") or "/shell/" in entry["path"]:
            continue  # a program for shell steps
        first, second = (importlib.import_module(f"{package}.{entry['id']}") for package in PACKAGES)
        assert first is second is importlib.import_module(first.__name__)
