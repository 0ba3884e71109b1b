"""Whatever stands in a file, it is a recipe, a list of mistakes, or a file that cannot be read."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from octo.errors import RecipeError, UsageError
from octo.recipe import Recipe, load
from octo.recipe.fields import RECIPE, RESOURCES, RETRY, STEP, SUCCESS

SEED = """\
test_meta: {test_id: T-1}
defaults: &d {timeout: 60, retry: {attempts: 3, delay: 0.5, exceptions: [OSError]}}
ctx: {rows: [1, 2.5, "x", null], "a.b": true}
max_parallel: 4
on_failure: {cmd: notify, args: ["{{ error }}"]}
steps:
  - name: load
    idx: 1
    type: python
    module: scriptlets.steps.load
    function: run
    params: {<<: *d, path: "{{ ctx.path }}", keys: ['a', "b"]}
    success: {ctx_has_keys: [rows]}
  - name: list
    idx: 2
    cmd: ls
    args: [-l, 007, "{{ params.x }}"]
    env: {A: 1}
    depends_on: [load]
    when: ctx.rows | length > 0
    breakpoint: entry
  - name: each
    idx: 3
    function: "m:f"
    args: |
      text
    for_each: "{{ ctx.rows }}"
    collect: out
    after: list
    resources: {cpu: 1, mem: 2MiB}
    on_success:
      - {function: "m:g"}
"""
WORDS = [each.name for each in (*RECIPE, *STEP, *RETRY, *SUCCESS, *RESOURCES)]
BITS = [
    ": ",
    "- ",
    ", ",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "\n  ",
    "\n    - ",
    "\t",
    '"',
    "'",
    "|",
    ">",
    "?",
    "#",
    "%",
    "@",
    "`",
]
BITS += ["&a ", "*a", "<<: *a", "!x ", "!!python/name:os.system", "{{ ", "}}", "{% if %}", "---\n", "...", "\\", "~"]
BITS += [
    ".nan",
    "1e999",
    "-1",
    "0",
    "true",
    "null",
    "é",
    "\u2028",
    "\ufeff",
    "\x07",
    "2GiB",
    "dask",
    "a, b",
    "ctx",
    "shell",
]


def mutated(chance: random.Random) -> str:
    """The seed with a few pieces taken out, doubled, moved or put in."""
    text = SEED
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(text) + 1), chance.randint(0, 25)
        lines = text.split("\n")
        how = chance.randrange(6)
        if how == 0:
            text = text[:at] + text[at + length :]
        elif how == 1:
            text = text[:at] + chance.choice(BITS) + text[at:]
        elif how == 2:
            text = text[:at] + chance.choice(WORDS) + text[at + length :]
        elif how == 3:
            del lines[chance.randrange(len(lines))]
            text = "\n".join(lines)
        elif how == 4:
            lines.insert(chance.randrange(len(lines)), chance.choice(lines))
            text = "\n".join(lines)
        else:  # another value for a field
            number = chance.randrange(len(lines))
            key, colon, _ = lines[number].partition(": ")
            lines[number] = key + (colon or ": ") + chance.choice([*BITS, *WORDS, "[1, x]", "{a: 1}", "3", "x"])
            text = "\n".join(lines)
    return text


def read(text: str) -> bool:
    """Whether it is a recipe; every mistake has a line of the file."""
    try:
        assert isinstance(load(io.StringIO(text), imports=False), Recipe)
    except RecipeError as error:
        assert error.problems
        for problem in error.problems:
            assert 1 <= problem.line <= text.count("\n") + text.count("\r") + text.count("\u2028") + 2, problem
            assert problem.message and "\n" not in problem.message
            for word in ("Input should", "pydantic", "octo.recipe", "Traceback", "NoneType"):
                assert word not in problem.message, problem
        return False
    return True


def test_the_seed_itself_is_valid_but_for_its_text_in_args() -> None:
    assert read(SEED.replace("args: |\n      text\n", "args: [x]\n"))


@pytest.mark.parametrize("part", [pytest.param(0), *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 20))])
def test_mutated_recipes_give_a_recipe_or_its_mistakes(part: int) -> None:
    chance = random.Random(part)
    valid = sum(read(mutated(chance)) for _ in range(500))
    assert valid < 500


@pytest.mark.slow
def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    chance = random.Random(1)
    file = tmp_path / "r.yaml"
    for _ in range(300):
        data = bytearray(SEED.encode())
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file.write_bytes(data)
        try:
            load(file, imports=False)
        except UsageError as error:
            assert error.message
