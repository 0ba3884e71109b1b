"""`octo validate` and `octo recipe` as they are typed."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

GOOD = "steps:\n  - {name: a, cmd: ls}\n  - {name: b, function: 'builtins:print', args: [x]}\n"
BAD = "steps:\n  - name: a\n    cmd: ls\n    depend_on: x\n  - {name: b, function: 'builtins:prnt'}\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "other.yaml").write_text("steps:\n  - {name: c, cmd: ls}\n  - {name: a, cmd: ls, after: c}\n")


def test_a_valid_recipe(octo: Any) -> None:
    assert octo("validate", "good.yaml").out == "good.yaml: 2 steps, no mistake\n"


def test_all_mistakes_of_all_files_one_a_line(octo: Any) -> None:
    typed = octo("validate", "good.yaml", "bad.yaml", "gone.yaml", code=2)
    assert typed.out == "good.yaml: 2 steps, no mistake\n"
    lines = typed.err.splitlines()
    assert "octo: there is no file gone.yaml" in lines[0]
    at = lines.index("octo: the recipe has 2 mistakes:")
    assert lines[at + 1] == 'bad.yaml:4: step "a": unknown field depend_on; did you mean depends_on?'
    assert lines[at + 2].startswith('bad.yaml:5: step "b": ') and "did you mean print?" in lines[at + 2]


def test_without_importing_and_as_json(octo: Any) -> None:
    told = octo("validate", "good.yaml", "bad.yaml", "--no-import", "--json", code=2).json
    assert told[0] == {"recipe": "good.yaml", "valid": True, "steps": ["a", "b"], "problems": []}
    assert told[1]["valid"] is False and [each["line"] for each in told[1]["problems"]] == [4]


def test_the_help_says_that_it_imports(octo: Any) -> None:
    text = " ".join(octo("validate", "--help").out.split())
    assert "It imports the modules that the recipe names" in text and "--no-import" in text


def test_from_standard_input(octo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(("\ufeff" + BAD).encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert "<stdin>:4: step" in octo("validate", "-", "--no-import", code=2).err


def test_a_new_recipe_can_be_validated_at_once(octo: Any) -> None:
    typed = octo("recipe", "new", "report")
    assert "wrote report.yaml" in typed.out and any("validate report.yaml" in each for each in typed.next)
    assert "no mistake" in octo("validate", "report.yaml").out
    assert "report.yaml exists; add --force" in octo("recipe", "new", "report", code=2).err
    assert octo("recipe", "new", "report", "--force", "--json", "--from", "json:dumps", "json:loads").json == {
        "recipe": "report.yaml"
    }
    assert octo("validate", "report.yaml", "--json").json[0]["steps"] == ["dumps", "loads"]


def test_merge_and_what_it_says(octo: Any, tmp_path: Path) -> None:
    refused = octo("recipe", "merge", "good.yaml", "other.yaml", "-o", "new.yaml", code=2)
    assert "a: good.yaml, other.yaml" in refused.err and not (tmp_path / "new.yaml").exists()
    typed = octo("recipe", "merge", "good.yaml", "other.yaml", "-o", "new.yaml", "--duplicates", "rename")
    assert typed.out.splitlines()[:2] == ["wrote new.yaml: 4 steps", "  step a of other.yaml is now a_2"]
    assert octo("validate", "new.yaml", "--json").json[0]["steps"] == ["a", "b", "c", "a_2"]


@pytest.mark.parametrize(
    "words", [("--steps", "b", "c"), ("--steps", "b,c"), ("--steps", "b", "--steps", "c"), ("--steps=b,c",)]
)
def test_an_option_takes_several_values_in_every_way(words: tuple[str, ...], octo: Any) -> None:
    octo("recipe", "merge", "good.yaml", "other.yaml", *words, "-o", "new.yaml")
    assert octo("validate", "new.yaml", "--json").json[0]["steps"] == ["b", "c"]


def test_a_file_behind_such_an_option_is_told_to_be_put_first(octo: Any) -> None:
    for words in (("--steps", "b", "good.yaml"), ("--steps", "good.yaml")):
        told = octo("recipe", "merge", *words, "-o", "new.yaml", code=2).err
        assert "good.yaml was taken for a value of --steps" in told and "put it first" in told
    assert "requires an argument" in octo("recipe", "merge", "good.yaml", "-o", "n.yaml", "--steps", code=2).err


def test_chain_takes_steps_of_each(octo: Any) -> None:
    words = ("good.yaml", "other.yaml", "--steps1", "b", "--steps2", "a", "c", "-o", "sub/new.yaml")
    assert octo("recipe", "chain", *words, "--json").json == {"out": "sub/new.yaml", "steps": 3, "changes": []}
    assert "sub/new.yaml exists; add --force" in octo("recipe", "chain", *words, code=2).err
    octo("recipe", "chain", *words, "--force")


def test_a_recipe_is_not_written_over_itself(octo: Any, tmp_path: Path) -> None:
    words = ("recipe", "merge", "good.yaml", "other.yaml", "-o", "good.yaml", "--duplicates", "first", "--force")
    assert "is one of the recipes" in octo(*words, code=2).err
    assert (tmp_path / "good.yaml").read_text() == GOOD


def test_the_schema(octo: Any, checkout: Path) -> None:
    kept = json.loads((checkout / "octo" / "recipe" / "recipe.schema.json").read_text(encoding="utf-8"))
    assert octo("recipe", "schema").json == octo("recipe", "schema", "--json").json == kept


def test_a_slip_is_answered_with_the_nearest(octo: Any) -> None:
    assert "did you mean merge?" in octo("recipe", "merg", code=2).err
    assert "Commands:" in octo("recipe").out
