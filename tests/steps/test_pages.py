"""The pages and lists that are made from the steps' own declarations."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from octo.cli.ready_steps import ready_steps
from octo.cli.step_pages import steps_page
from octo.shared_names import library_steps

STEPS = ready_steps()


def test_the_page_is_up_to_date(checkout: Path) -> None:
    stale = "run: python tools/write_pages.py"
    assert (checkout / "docs" / "steps.md").read_text(encoding="utf-8") == steps_page(), stale


@pytest.mark.slow
def test_the_documented_programs_are_up_to_date(checkout: Path) -> None:
    from tools.write_pages import programs

    for name, text in programs().items():
        assert (checkout / name).exists(), f"no {name}; run: python tools/write_pages.py"
        assert (checkout / name).read_text(encoding="utf-8") == text
    there = {path.relative_to(checkout).as_posix() for kind in ("core", "steps")
             for path in (checkout / "modules" / "scriptlets" / "python" / kind).glob("*.py")}
    assert there == programs().keys(), "of a step that is not documented any more"
    assert {Path(name).stem for name in there} <= library_steps().keys()


def test_both_documented_paths_of_each_are_its_one_module_as_python_itself_finds_them(checkout: Path) -> None:
    """Outside of a run, from `modules/`: one of the two is a file there, the other is not."""
    names = library_steps()
    code = (
        "import importlib, sys\n"
        f"for name, module in {names!r}.items():\n"
        "    paths = (f'scriptlets.python.{kind}.{name}' for kind in ('core', 'steps'))\n"
        "    first, second = map(importlib.import_module, paths)\n"
        "    assert first is second is sys.modules[module], name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout / "modules", capture_output=True, text=True,
                          timeout=120, env={**os.environ, "PYTHONPATH": str(checkout)})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [
    "scriptlets/python/core/ctx_to_csv.py --ctx-file ctx.json --key rows --out OUT",
    "scriptlets/python/steps/ctx_init.py --keys foo bar"])
def test_a_documented_command_is_run_as_it_stands(command: str, checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "ctx.json").write_text('{"rows": [["a"], [1]]}')
    words = [{"ctx.json": str(tmp_path / "ctx.json"), "OUT": str(tmp_path / "out.csv")}.get(word, word)
             for word in command.split()]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True,
                          cwd=checkout / "modules")
    if "ctx_init" in command:
        assert "ctx foo: []" in done.stdout
    else:
        assert (tmp_path / "out.csv").read_text() == "a\n1\n" and '"rows": 1' in done.stdout


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_step_says_what_it_does_and_takes(step: object) -> None:
    does, doc, params = step.does, step.doc, step.params  # type: ignore[attr-defined]
    assert does.endswith(".") and doc and does != doc.split("\n")[0]
    assert all(param.help for param in params)
    assert list(inspect.signature(step.target).parameters) == ["ctx", "params"]  # type: ignore[attr-defined]


def test_to_list_the_steps_imports_nothing_large() -> None:
    code = ("import sys; from octo.cli.ready_steps import ready_steps; ready_steps(); "
            "print({'numpy', 'pandas', 'openpyxl', 'requests', 'openai', 'dash', 'simpleeval'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parents[2])
    assert done.stdout == "set()\n"


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_is_a_program_of_its_own(step: object) -> None:
    done = subprocess.run([sys.executable, "-m", step.module, "--help"],  # type: ignore[attr-defined]
                          capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0 and step.name in done.stdout and "--ctx-file" in done.stdout  # type: ignore[attr-defined]
