"""Recipes put together: as documented, and so that the new one does what the old ones did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.errors import OctoError, UsageError
from octo.recipe import load
from octo.recipe.merge import chain, merge, write_merged
from tests.recipe.kit import recipe, values

# as printed in the document of chain_recipes
A = "steps:\n  - idx: 1\n    name: load_data\n    type: shell\n    cmd: scriptlets/shell/load.sh\n    args: [...]\n"
B = (
    "steps:\n  - idx: 2\n    name: compute_stats\n    type: python\n    module: scriptlets.python.core.stats\n"
    "    function: run\n    params: {...}\n"
)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes recipes named a, b, c … and gives their paths."""
    monkeypatch.chdir(tmp_path)

    def write_recipes(*texts: str) -> list[str]:
        names = [f"{letter}.yaml" for letter in "abcdef"[: len(texts)]]
        for name, text in zip(names, texts, strict=True):
            Path(name).write_text(text, encoding="utf-8")
        return names

    return write_recipes


def names(text: str) -> list[str]:
    return [step["name"] for step in values(text)["steps"]]


def test_the_printed_example_comes_out_as_printed(write: Any) -> None:
    merged = chain(*write(A, B))
    assert values(merged.text) == {"steps": values(A)["steps"] + values(B)["steps"]}
    assert list(values(merged.text)["steps"][0]) == ["idx", "name", "type", "cmd", "args"]
    assert (merged.steps, merged.changes) == (2, [])
    write_merged(merged, "new/ab.yaml")
    assert load("new/ab.yaml", imports=False).name == "ab"
    assert [path.name for path in Path("new").iterdir()] == ["ab.yaml"]


def test_values_keep_the_text_that_they_had(write: Any) -> None:
    text = 'steps:\n  - {name: a, cmd: x, args: [007, 1.50, "1.50", on, 1e3, ~, "a: b"], env: {K: 0x1F}}\n'
    [step] = recipe(merge(write(text)).text).steps
    assert step.args == ["007", "1.50", "1.50", "on", "1e3", "~", "a: b"] and step.env == {"K": "0x1F"}


def test_only_the_steps_that_were_asked_for(write: Any) -> None:
    files = write(
        "steps: [{name: get, cmd: x}, {name: clean, cmd: x, after: get}, {name: use, cmd: x, after: clean}]",
        "steps:\n  - {name: report, cmd: x, depends_on: [clean]}\n",
    )
    merged = merge(files, steps=["use", "get", "report"])
    assert names(merged.text) == ["get", "use", "report"]
    assert [step.depends_on for step in recipe(merged.text).steps] == [[], ["get"], ["get"]]
    assert merged.changes == ["step use no longer waits for clean", "step report no longer waits for clean"]
    assert names(merge(files, steps_of=[["get"], None], steps=None).text) == ["get", "report"]
    with pytest.raises(UsageError, match="there is no step gett in a.yaml and b.yaml; did you mean get"):
        merge(files, steps=["gett"])


def test_steps_can_be_chosen_by_idx(write: Any) -> None:
    assert names(chain(*write(A, B), steps_of=[["1"], [2]]).text) == ["load_data", "compute_stats"]


def test_a_name_in_both_is_refused_and_told(write: Any) -> None:
    files = write(A, A)
    with pytest.raises(UsageError, match="load_data: a.yaml, b.yaml"):
        merge(files)


def test_a_renamed_step_is_renamed_wherever_its_recipe_speaks_of_it(write: Any) -> None:
    text = (
        "steps:\n  - {name: load, cmd: x}\n"
        "  - {name: use, cmd: x, after: load, args: [\"{{ steps['load'].status }}\", 'steps.load'], "
        "when: 'steps.load.result'}\n"
    )
    merged = merge(write(text, text), duplicates="rename")
    made = recipe(merged.text).steps
    assert [step.name for step in made] == ["load", "use", "load_2", "use_2"]
    assert [step.depends_on for step in made] == [[], ["load"], [], ["load_2"]]
    assert made[1].args == ["{{ steps['load'].status }}", "steps.load"]
    assert made[3].args == ["{{ steps['load_2'].status }}", "steps.load"]
    assert made[3].when == "steps['load_2'].result"
    assert "step load of b.yaml is now load_2" in merged.changes


@pytest.mark.parametrize(("how", "cmd"), [("first", "one"), ("last", "two")])
def test_one_of_two_steps_of_a_name_stays(how: Any, cmd: str, write: Any) -> None:
    files = write("steps: [{name: s, cmd: one}, {name: t, cmd: t}]", "steps: [{name: s, cmd: two}, {name: u, cmd: u}]")
    made = {step.name: step.cmd for step in recipe(merge(files, duplicates=how).text).steps}
    assert made == {"s": cmd, "t": "t", "u": "u"}


@pytest.mark.parametrize(
    ("first", "second", "how", "idx"),
    [
        ([1, 2], [3], "auto", [1, 2, 3]),
        ([10, 20], [30], "auto", [10, 20, 30]),
        ([1, 2], [1], "auto", [1, 2, 3]),
        ([10, 20], [1], "auto", [1, 2, 3]),
        ([20, 10], [20], "auto", [2, 1, 3]),
        ([None, None], [None], "auto", [None, None, None]),
        ([2, 1], [None], "auto", [2, 1, 3]),
        ([1, 2], [1], "keep", [1, 2, 1]),
        ([10, 20], [30], "renumber", [1, 2, 3]),
    ],
)
def test_idx_is_renumbered_where_it_would_mix_the_recipes(
    first: Any, second: Any, how: Any, idx: Any, write: Any
) -> None:
    def text(letter: str, numbers: list[int | None]) -> str:
        given = [f"idx: {number}, " if number is not None else "" for number in numbers]
        return "steps:\n" + "".join(f"  - {{{each}name: {letter}{n}, cmd: x}}\n" for n, each in enumerate(given))

    merged = merge(write(text("a", first), text("b", second)), idx=how)
    assert [step.get("idx") for step in values(merged.text)["steps"]] == idx
    if how == "auto":
        assert recipe(merged.text).steps[-1].name == "b0", "the second recipe comes after the first"


def test_what_steps_need_beside_themselves_comes_with_them(write: Any) -> None:
    one = "metadata: {name: one, x: 1}\nctx: {a: 1}\ndefaults: {timeout: 5, cwd: w}\nsteps:\n  - {name: p, cmd: x}\n"
    two = "metadata: {name: two}\nctx: {b: 2}\nkeep_going: true\nsteps:\n  - {name: q, function: 'm:f', retry: 2}\n"
    files = write(one, two)
    made = recipe(merge(files).text)
    assert (made.ctx, made.keep_going, made.metadata) == ({"a": 1, "b": 2}, True, None)
    assert [(step.timeout, step.cwd) for step in made.steps] == [(5, "w"), (None, None)]
    for meta, wanted in (
        ("first", {"name": "one", "x": 1}),
        ("last", {"name": "two"}),
        ("merge", {"name": "two", "x": 1}),
    ):
        assert recipe(merge(files, meta=meta).text).metadata == wanted


def test_settings_that_disagree_are_refused(write: Any) -> None:
    files = write("ctx: {a: 1}\nsteps: [{name: p, cmd: x}]", "ctx: {a: 2}\nsteps: [{name: q, cmd: x}]")
    with pytest.raises(UsageError, match="ctx: a in b.yaml is not what it is in a recipe before it"):
        merge(files)
    assert recipe(merge(files, meta="first").text).ctx == {"a": 1}
    assert recipe(merge(files, meta="last").text).ctx == {"a": 2}


def test_a_step_may_depend_on_one_of_the_other_recipe(write: Any) -> None:
    files = write("steps: [{name: a, cmd: x}]", "steps: [{name: b, cmd: x, after: a}]")
    assert recipe(merge(files).text).steps[1].depends_on == ["a"]
    with pytest.raises(UsageError, match="depends on a, which is no step"):
        merge(files[1:])


def test_a_cycle_through_both_is_refused(write: Any) -> None:
    files = write("steps: [{name: a, cmd: x, after: b}]", "steps: [{name: b, cmd: x, after: a}]")
    with pytest.raises(UsageError, match="a -> b -> a"):
        merge(files)


@pytest.mark.parametrize("text", ["- {name: a, cmd: x}", "steps: [{name: a, cmd: x, nope: 1}]", "steps: 3", ""])
def test_what_is_no_valid_recipe_is_refused(text: str, write: Any) -> None:
    with pytest.raises(OctoError):
        merge(write(A, text))


def test_a_recipe_without_steps_adds_none(write: Any) -> None:
    assert names(merge(write(A, "steps: []")).text) == ["load_data"]


def test_each_step_can_say_where_it_is_from(write: Any) -> None:
    merged = merge(write(A, B), mark_source=True)
    assert [step["x-from"] for step in values(merged.text)["steps"]] == ["a.yaml", "b.yaml"]
    assert len(recipe(merged.text).steps) == 2
