"""YAML as recipes read it: values of YAML 1.2, and every mistake of form with its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo.errors import RecipeError
from octo.recipe import build, load
from octo.recipe.nodes import Source, plain
from octo.recipe.reader import read
from octo.recipe.writer import write
from tests.recipe.kit import mistakes, refused, values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("false", False),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("3", 3),
        ("+3", 3),
        ("-3", -3),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("0", 0),
        ("on", "on"),
        ("yes", "yes"),
        ("Null", "Null"),
        ("15:30", "15:30"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        (".5", ".5"),
        ("1.", "1."),
        ("2024-01-31", "2024-01-31"),
        ("-", None),
        ('"3"', "3"),
        ("'true'", "true"),
        ("'<<'", "<<"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    read_back = values(f"a: {text}" if text != "-" else "a: ~")["a"]
    assert read_back == value and type(read_back) is type(value)


@pytest.mark.parametrize("text", ["a: 1\r\nb: x\r\n", "\ufeffa: 1\nb: x\n", "%YAML 1.1\n---\na: 1\nb: x\n"])
def test_line_ends_byte_order_mark_and_version_do_not_matter(text: str) -> None:
    assert values(text) == {"a": 1, "b": "x"}


def test_anchors_and_merge_keys_work_and_own_keys_win() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\none: {<<: [*b, *m], x: 9}\n"
    text += "two:\n  <<: *m\nkey: &k word\n*k : 5\n"
    assert values(text) == {
        "base": {"x": 1, "y": 2},
        "more": {"y": 3, "z": 4},
        "one": {"x": 9, "y": 2, "z": 4},
        "two": {"y": 3, "z": 4},
        "key": "word",
        "word": 5,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb:\n  a: 2\n  a: 3\n", "4: the key a stands twice in one mapping (first in line 3)"),
        ("a: !foo x", "1: the tag !foo means nothing here"),
        (
            "fn: !!python/name:mod.sub.f\n",
            '1: the tag !!python/name:mod.sub.f is refused; write the text "mod.sub:f"',
        ),
        ("fn: !!python/object/apply:os.system [ls]\n", 'write the text "os:system"'),
        ("fn: !python/name:mod.f\n", 'the tag !python/name:mod.f is refused; write the text "mod:f"'),
        ("elem_type: !!python/name:list\n", 'is refused; write the text "list"'),
        ("fn: !!python/name:mine\n", 'name a function by text: "package.module:mine"'),
        ("a: .nan", "1: .nan is no JSON number"),
        ("a: [1,\n -.inf]", "2: -.inf is no JSON number"),
        ("a: 1e999", "1: 1e999 is too large for a number"),
        ("a: " + "9" * 5000, "1: a whole number of more than 4,000 digits"),
        ("a: 1\n---\nb: 2", "2: a second document begins here"),
        ("a: &a [*a]", "1: *a stands inside what it names"),
        ("a: *b", "1: "),
        ("a:\n\t- b", "2: column 1: a tab cannot indent YAML; use blanks"),
        ("a: b: c", "1: column 5: a second ': ' in one line"),
        ("a: {{ ctx.x }}", "1: column 5: a key must be text, not a mapping or a list; put quotes around a template"),
        ("a: [1", "2: column 1: "),
        ("a: 'x", "1: column 6: "),
        ("a: \x00", "1: column 4: the character '\\x00' cannot stand in YAML"),
        ("a: 1\nb: \x1b[0m", "2: column 4: "),
        ("'': 1", "1: a key is empty"),
        ("<<: 3", "1: << takes a mapping or a list of mappings"),
        ("[" * 5000, "1: nested more than 100 levels deep"),
        ("a: " + "{a: " * 5000, "1: nested more than 100 levels deep"),
        ('a: "\\ud800"', "1: "),
    ],
)
def test_a_mistake_of_form_is_told_with_its_place(text: str, told: str) -> None:
    found = mistakes(text)
    assert len(found) == 1 and told in found[0]


def test_all_mistakes_of_the_values_are_told_together() -> None:
    assert [each.split(":")[0] for each in mistakes("a: .nan\nb: !x 1\na: 2\nc: 1e999\n")] == ["1", "2", "3", "4"]


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    assert mistakes("\n".join(lines)) == ["5: the aliases of this file expand to more than 100,000 values"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("steps: []")
    (tmp_path / "latin.yaml").write_bytes("steps: [] # é".encode("latin-1"))
    assert "did you mean" in refused(tmp_path / "recipes.yaml")
    assert "there is no file" in refused(str(tmp_path / "away" / "r.yaml"))
    assert "is a directory" in refused(tmp_path)
    assert "is not UTF-8 text (byte 12)" in refused(tmp_path / "latin.yaml")


def test_the_problem_names_the_file_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text("steps:\n  - nme: a\n")
    with pytest.raises(RecipeError) as error:
        load("r.yaml", imports=False)
    assert str(error.value).splitlines()[0].startswith("r.yaml:2: step 1: ")


# Both parsers of PyYAML: libyaml is not everywhere.
@pytest.mark.parametrize(
    "text",
    ["a: [007, +1, 'x', {b: ~}]\n<<: {q: 1}\n", "a: .nan\na: 1", "a: &x {y: 1}\nb: *x", "a:\n\t- b", "- a\nb: 1"],
)
def test_reading_without_libyaml_is_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    def outcome() -> Any:
        try:
            return values(text)
        except RecipeError as error:
            return [problem.line for problem in error.problems]

    with_libyaml = outcome()
    monkeypatch.setattr(build, "_LOADER", yaml.SafeLoader)
    assert outcome() == with_libyaml


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]))
    | st.sampled_from(
        ["1e3", "on", "~", "<<", "a\nb", "a\n", "\n", "a: b", " x", "#", "- a", "---", "007", "{{ x }}", "\x85"]
    )
)
KEYS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=8) | st.sampled_from(
    ["on", "1", "<<", "null"]
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)


@given(VALUES)
def test_what_is_written_is_read_back_as_it_was(value: Any) -> None:
    read_back = plain(read(Source(write(value), None, Path("x"))))
    assert read_back == value and repr(read_back) == repr(value)


def test_reading_imports_neither_jinja2_nor_pydantic_nor_the_engine() -> None:
    code = (
        "import sys, octo.recipe.reader; print([m for m in ('jinja2', 'pydantic', 'octo.engine') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
