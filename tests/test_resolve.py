"""Functions named by text: what is found, from where, and what a person is told when it is not."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from octo.errors import NameNotFound
from octo.resolve import fingerprint, on_path, resolve, run_path, source_of
from octo.scriptlet import register_scriptlet

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file below the test's folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """The test's folder, as a run's."""
    with on_path(run_path(tmp_path, tmp_path)):
        yield tmp_path


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("builtins:print", print),
        ("math:sqrt", math.sqrt),
        ("math.sqrt", math.sqrt),
        ("os.path.join", os.path.join),
        ("os.path:join", os.path.join),
        ("pathlib:Path.cwd", Path.cwd),
        ("pathlib:Path", Path),
    ],
)
def test_what_python_has(name: str, target: object) -> None:
    assert resolve(name) == target


def test_a_callable_is_given_back() -> None:
    assert resolve(len) is len


def test_a_module_alone_means_its_run(write: Write, here: Path) -> None:
    write("work/load.py", "def run(ctx): return 'work'")
    write("single.py", "def run(ctx): return 'single'")
    for name in ("work.load", "work.load:run", "work.load:", "work.load.run"):
        assert resolve(name)(None) == "work"
    assert resolve("single")(None) == resolve("single:run")(None) == "single"


def test_a_function_that_a_package_takes_from_its_module_of_the_same_name(write: Write, here: Path) -> None:
    write("pack/__init__.py", "from .load import load")
    write("pack/load.py", "def load(): return 'the function'\ndef run(): return 'run'")
    assert resolve("pack.load")() == "the function"
    assert resolve("pack.load:run")() == "run"


def test_the_users_module_wins_over_one_of_octos(write: Write, tmp_path: Path) -> None:
    """Also where Octo's was imported before."""
    with on_path(run_path(tmp_path, tmp_path)):
        assert resolve("octolockjson:octolockjson").__name__ == "LockedJson"
    write("octolockjson.py", "def run(ctx): return 'mine'")
    with on_path(run_path(tmp_path, tmp_path)):
        assert resolve("octolockjson:run")(None) == "mine"
    with on_path(run_path(tmp_path / "elsewhere", tmp_path / "elsewhere")):
        assert resolve("octolockjson:octolockjson").__name__ == "LockedJson"


def test_registered_names(here: Path) -> None:
    @register_scriptlet(name="count words")
    class Count:
        def run(self) -> int:
            return 0

    @register_scriptlet
    class Judge:
        def run(self) -> int:
            return 0

    assert resolve("Judge") is Judge
    with pytest.raises(NameNotFound, match=r"write package\.module:name"):
        resolve("count words; rm")


def test_plugins_are_looked_for_when_nothing_else_has_the_name(write: Write, here: Path) -> None:
    write(
        "scriptlets/plugins/colours.py",
        "from scriptlets.framework import BaseScriptlet, register_scriptlet\n"
        "@register_scriptlet\nclass Paint(BaseScriptlet):\n    def run(self, ctx, params): return 'green'\n",
    )
    write("scriptlets/plugins/broken.py", "import nothing_of_this_name")
    assert resolve("Paint").__name__ == "Paint"
    with pytest.raises(NameNotFound, match=r"scriptlets\.plugins\.broken cannot be imported: .*broken\.py:1") as told:
        resolve("Pain")
    assert "did you mean Paint?" in told.value.message


def test_an_entry_point(write: Write, tmp_path: Path) -> None:
    write("brought.py", "def polish(ctx, params): return 'polished'")
    write("brought-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    write("brought-1.0.dist-info/entry_points.txt", "[octo.steps]\npolish = brought:polish\n")
    with on_path([tmp_path]):
        assert resolve("polish")(None, None) == "polished"


# --- what is not there


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("jsn:dumps", "there is no module 'jsn'.*did you mean json"),
        ("json:dmps", "has no 'dmps'; did you mean dumps"),
        ("json.dmps", "has no 'dmps'; did you mean dumps"),
        ("json.encodr:x", r"there is no module 'json.encodr' .*did you mean json.encoder"),
        ("math:pi", "math:pi is of type float, neither a function nor a class"),
        ("string", "module 'string' .* has no 'run'; it has .*capwords"),
        ("math.sqrt.deep", "has no 'deep'"),
        ("json:dumps extra", "is no name of a function"),
        ("", "is no name of a function"),
        ("no_such_step", r"looked among the registered steps.*octo\.steps"),
    ],
)
def test_a_name_that_is_not_there(name: str, told: str) -> None:
    with pytest.raises(NameNotFound, match=told) as error:
        resolve(name)
    assert error.value.exit_code == 2


def test_where_it_was_looked_for_is_said(write: Write, here: Path) -> None:
    write("steps/load.py", "def run(): pass")
    with pytest.raises(NameNotFound) as error:
        resolve("steps.lod:run")
    assert str(here / "steps") in error.value.message
    assert error.value.message.endswith("did you mean steps.load?")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("import steps_of_mine.gone", "ModuleNotFoundError: No module named 'steps_of_mine.gone'"),
        ("from json import nothing", "ImportError: cannot import name 'nothing'"),
        ("\n\n1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def run(:", "SyntaxError: invalid syntax"),
    ],
)
def test_a_module_that_is_there_but_fails_says_where(write: Write, here: Path, text: str, told: str) -> None:
    path = write("steps_of_mine/work.py", text)
    for name in ("steps_of_mine.work:run", "steps_of_mine.work.run"):
        with pytest.raises(NameNotFound) as error:
            resolve(name)
        line = text.count("\n") + 1
        assert "module 'steps_of_mine.work' cannot be imported: " + told in error.value.message
        assert f"({path}:{line})" in error.value.message


def test_the_line_is_that_of_the_module_at_fault(write: Write, here: Path) -> None:
    write("outer_one.py", "import inner_one\ndef run(): pass")
    inner = write("inner_one.py", "\nraise ValueError('not today')")
    with pytest.raises(NameNotFound, match="ValueError: not today") as error:
        resolve("outer_one:run")
    assert f"({inner}:2)" in error.value.message


# --- the source


def test_the_fingerprint_is_of_the_source_file(write: Write, here: Path) -> None:
    path = write("sources.py", "import functools\ndef run(): return 1\nclass A:\n    def run(self): pass\n")
    run, cls = resolve("sources"), resolve("sources:A")
    assert source_of(run) == source_of(cls) == path
    before = fingerprint(run)
    assert len(before) == 64 and fingerprint(cls) == before == fingerprint("sources:run")
    path.write_text("def run(): return 12345\n", encoding="utf-8")
    assert fingerprint(run) != before


def test_what_was_not_written_in_python_has_no_fingerprint() -> None:
    assert source_of(math.sqrt) is None
    assert fingerprint(print) == ""
