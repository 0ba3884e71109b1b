"""The documented examples of the ready-made steps as steps of a recipe that fails behind them and is run again."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from octo.errors import RecipeError
from tests.conformance.examples import ENTRIES, left_out
from tests.conformance.test_steps import filled, fits
from tests.recipe.runs import Project


def as_json(example: dict[str, Any], step: str) -> dict[str, Any] | None:
    """The example with its values filled in; None where it has values that no recipe can hold."""
    found: dict[str, Any] = filled(copy.deepcopy(example), step)
    before = {"ctx": found.get("ctx", {}), "params": found["params"]}
    try:
        same = json.loads(json.dumps(before, allow_nan=False)) == before
    except (TypeError, ValueError):
        return None
    return found if same else None


EXAMPLES = [
    pytest.param(entry["id"], filled_example, id=f"{entry['id']}-{number}")
    for entry in ENTRIES
    for number, example in enumerate(entry["examples"])
    if not left_out(example) and (filled_example := as_json(example, entry["id"])) is not None
]


@pytest.mark.parametrize(("step", "example"), EXAMPLES)
def test_an_example_in_a_recipe_that_is_run_again(step: str, example: dict[str, Any], tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTO_LLM_BACKEND", "echo")
    project = Project(tmp_path / "project")
    project.bodies("""
        from pathlib import Path

        def gate():
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    recipe = {
        "ctx": example.get("ctx", {}),
        "steps": [
            {"name": "example", "function": step, "params": example["params"]},
            {"name": "gate", "function": "BODY:gate", "depends_on": "example"},
        ],
    }
    project.recipe(json.dumps(recipe))
    if "raises" in example:
        # the wrong parameters are told before the run, the rest by the step
        try:
            result = project.run()
        except RecipeError:
            return
        assert result.status == "COMPLETE_ERROR" and project.status() == {"example": "FAILED", "gate": "WAITING"}
        return
    assert project.run().status == "COMPLETE_ERROR"
    assert project.status() == {"example": "DONE", "gate": "FAILED"}
    once = project.steps["example"]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["example"] == once
    if "returns" in example:
        assert fits(once["result"], example["returns"]), once
    assert fits(project.ctx, example.get("ctx_after", {})), project.ctx
