"""The documented examples of the ready-made steps, on a dict and on a `Context`, by both of their import paths."""

from __future__ import annotations

import builtins
import copy
import importlib
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import NameNotFound, OctoError
from octo.executors.jobs import default_pool
from octo.param import table_of
from tests.conformance.examples import CALL_ONLY, ENTRIES, HERE, THEMES, left_out
from tests.conformance.page import conformance_page

CALLABLES: dict[str, dict[str, Any]] = {}
"""The functions that examples take for granted, by step; from `callables_<theme>.py`."""
for theme in THEMES:
    if (HERE / f"callables_{theme}.py").exists():
        CALLABLES |= importlib.import_module(f"{__package__}.callables_{theme}").CALLABLES
PACKAGES = ("scriptlets.python.core", "scriptlets.python.steps")
RUN = [
    pytest.param(entry["id"], example, id=f"{entry['id']}-{number}")
    for entry in ENTRIES
    for number, example in enumerate(entry["examples"])
    if not left_out(example)
]


CALLS = [
    pytest.param(entry["id"], example["params"], id=f"{entry['id']}-{number}")
    for entry in ENTRIES
    for number, example in enumerate(entry["examples"])
    if left_out(example) == CALL_ONLY
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
    monkeypatch.setenv("OCTO_LLM_BACKEND", "echo")  # some ask a language model
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


@pytest.mark.parametrize(("step", "params"), CALLS)
def test_a_call_that_is_shown_without_its_outcome_has_right_parameters(step: str, params: dict[str, Any]) -> None:
    table = table_of(importlib.import_module(f"{PACKAGES[0]}.{step}").run)
    assert table is not None
    with suppress(NameNotFound):  # some name functions of the reader's own
        table.fill(filled(copy.deepcopy(params), step))


def test_both_paths_are_one_module() -> None:
    for entry in ENTRIES:
        if entry["path"].endswith(".sh") or "/shell/" in entry["path"]:
            continue  # a program for shell steps
        first, second = (importlib.import_module(f"{package}.{entry['id']}") for package in PACKAGES)
        assert first is second is importlib.import_module(first.__name__)


TESTS = sorted({example["by_hand"] for entry in ENTRIES for example in entry["examples"] if "by_hand" in example})


@pytest.mark.parametrize("named", TESTS)
def test_a_test_that_holds_an_example_is_there(named: str, checkout: Path) -> None:
    file, _, test = named.partition("::")
    assert re.search(rf"^(async )?def {test}\(", (checkout / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_page_is_up_to_date(checkout: Path) -> None:
    page = (checkout / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert page == conformance_page(), "run: python tools/write_pages.py"
