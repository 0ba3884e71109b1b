"""Help, version, completion, and what starting the command imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import octo as octo_package
from octo.cli.main import COMMANDS, cli


def commands_of(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    ctx = click.Context(group)
    for word in group.list_commands(ctx):
        command = group.get_command(ctx, word)
        assert command is not None
        yield (*words, word), command
        if isinstance(command, click.Group):
            yield from commands_of(command, *words, word)


ALL = dict(commands_of(cli))
THAT_PRINT_DATA = [
    words for words in ALL if words[0] not in ("completion", "logs") and words not in [("ctx",), ("list",), ("recipe",)]
]


def test_help_lists_every_command_with_what_it_does(octo: Any) -> None:
    shown = octo("--help").out
    for name, (_, does) in COMMANDS.items():
        assert f"{name} " in shown and does in shown
    assert octo().out == shown


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_an_example_in_its_help(octo: Any, words: tuple[str, ...]) -> None:
    typed = (words[0], "DIR", *words[1:]) if words[0] == "ctx" and len(words) > 1 else words
    shown = octo(*typed, "--help").out
    examples = shown[shown.index("Example") :].splitlines()[1:]
    assert examples and all(line.strip().startswith(("octo ", 'eval "$(octo ')) for line in examples)
    assert any(words[-1] in line.split() for line in examples)


@pytest.mark.parametrize("words", THAT_PRINT_DATA, ids=" ".join)
def test_every_command_that_prints_data_takes_json(words: tuple[str, ...]) -> None:
    assert "--json" in [option for param in ALL[words].params for option in param.opts]


def test_the_list_of_commands_says_what_their_help_says() -> None:
    for name, (_, does) in COMMANDS.items():
        assert (ALL[(name,)].help or "").startswith(does.rstrip("."))


def test_version(octo: Any) -> None:
    assert octo("--version").out == f"octo {octo_package.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(octo: Any, shell: str) -> None:
    first, rest = octo("completion", shell).out.split("\n", 1)
    assert first.startswith("# To install: ") and f"completion {shell}" in first
    assert f"_OCTO_COMPLETE={shell}_complete" in rest


def complete(words: str, cwd: Path, checkout: Path) -> list[str]:
    """What the shell is offered after `words`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "_OCTO_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "octo"], env=environment, cwd=cwd, capture_output=True, text=True, check=True
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_completion_of_commands_groups_keys_and_nodes(it: str, tmp_path: Path, checkout: Path) -> None:
    assert complete("octo st", tmp_path, checkout) == ["step", "status"]
    assert complete("octo params it glo", tmp_path, checkout) == ["global_parameters"]
    assert "run_step_count" in complete("octo params it global_parameters run_", tmp_path, checkout)
    assert complete("octo break it step_node_c", tmp_path, checkout) == ["step_node_count"]
    assert complete("octo ctx it hi", tmp_path, checkout) == ["history"]


def imported_by(words: list[str], cwd: Path, checkout: Path) -> set[str]:
    script = (
        "import sys, json\nfrom octo.cli.main import main\ntry:\n    main()\nexcept SystemExit:\n"
        "    print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_imports_click_and_nothing_heavy(tmp_path: Path, checkout: Path) -> None:
    modules = imported_by(["--help"], tmp_path, checkout)
    assert {name.split(".")[0] for name in modules}.isdisjoint(
        {"rich", "psutil", "orjson", "filelock", "graphviz", "pygraphviz", "jinja2", "asyncio"}
    )
    assert not [name for name in modules if name.startswith(("octo.engine", "octo.store", "octo.documented"))]


def test_status_imports_no_drawing_and_no_engine(it: str, tmp_path: Path, checkout: Path) -> None:
    modules = imported_by(["status", "it"], tmp_path, checkout)
    assert {name.split(".")[0] for name in modules}.isdisjoint({"rich", "psutil", "graphviz", "pygraphviz"})
    assert not [name for name in modules if name.startswith("octo.engine")]


def test_python_m_octo(tmp_path: Path, start: Any) -> None:
    process = start("--version")
    assert process.communicate(timeout=20)[0].startswith("octo ")
    assert process.returncode == 0
