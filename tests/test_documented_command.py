"""The command line of the documented class: six forms, by path, by `python -m` and as an installed script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PARAMETERS = ".octo_step_engine_parameters.json"
NAMES = ["octo_step_engine_parameters", "scriptlet_step_engine_params"]

Run = Callable[..., subprocess.CompletedProcess[str]]


def start(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "OCTO_CALL"}}
    return subprocess.run(
        command,
        cwd=cwd,
        env={**clean, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture
def params(checkout: Path, tmp_path: Path) -> Run:
    """Runs the command by path; the current directory is an empty one."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        script = checkout / "modules" / "octo_step_engine_parameters.py"
        done = start([sys.executable, str(script), *words], tmp_path)
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def instance(tmp_path: Path) -> str:
    """An instance with a few groups, in a directory below the current one."""
    directory = tmp_path / "an instance"
    directory.mkdir()
    state = {
        "global_parameters": {"step_engine_state": "INACTIVE", "run_step_count": 1},
        "key001": {"label": "old", "limit": 2.5, "rows": [1, 2], "on": False, "größe": "ä", "nothing": None},
        "version": 3,
    }
    (directory / PARAMETERS).write_text(json.dumps(state), encoding="utf-8")
    return directory.name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["by path", "executable", "python -m", "installed"])
def test_every_way_to_start_it(name: str, way: str, checkout: Path, tmp_path: Path, instance: str) -> None:
    script = checkout / "modules" / f"{name}.py"
    words = [instance, "global_parameters", "run_step_count"]
    environment = {}
    if way == "by path":
        command = [sys.executable, str(script)]
    elif way == "executable":
        if os.name == "nt" or not os.access(script, os.X_OK):
            pytest.skip("scripts are not executable here")
        command = [str(script)]
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    elif way == "python -m":
        command = [sys.executable, "-m", name]
        environment["PYTHONPATH"] = str(checkout / "modules")
    else:
        installed = shutil.which(name, path=str(Path(sys.executable).parent))
        if installed is None:
            pytest.skip("this environment runs from the checkout without installation")
        command = [installed]
    done = start([*command, *words], tmp_path, **environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert start([*command, *words, "-i"], tmp_path, **environment).stdout == "2\n"


def test_shows_all_here(params: Run) -> None:
    done = params()
    assert done.returncode == 0
    assert json.loads(done.stdout)["global_parameters"]["run_step_count"] == 1
    assert done.stdout.startswith('{\n    "global_parameters": {\n        "step_engine_library_path"')


def test_shows_all_at_a_path(params: Run, instance: str) -> None:
    state = json.loads(params(instance).stdout)
    assert state["key001"]["rows"] == [1, 2]
    assert state["version"] == 3


def test_shows_a_group(params: Run, instance: str) -> None:
    done = params(instance, "key001")
    assert json.loads(done.stdout)["label"] == "old"
    assert done.stdout.startswith('{\n    "label": "old"')
    assert "größe" in done.stdout


@pytest.mark.parametrize(
    ("key", "printed"),
    [
        ("label", "old"),
        ("limit", "2.5"),
        ("rows", "[\n    1,\n    2\n]"),
        ("on", "false"),
        ("größe", "ä"),
        ("nothing", "null"),
    ],
)
def test_shows_a_value(params: Run, instance: str, key: str, printed: str) -> None:
    assert params(instance, "key001", key).stdout == printed + "\n"


@pytest.mark.parametrize(
    ("words", "printed", "stored"),
    [
        (["key001", "label", "5"], "5", "5"),
        (["key001", "limit", "3"], "3.0", 3.0),
        (["key001", "limit", "-1e5"], "-100000.0", -100000.0),
        (["key001", "limit", "-.5"], "-0.5", -0.5),
        (["global_parameters", "run_step_count", "-5"], "-5", -5),
        (["global_parameters", "run_step_count", "many"], "many", "many"),
        (["global_parameters", "step_engine_state", "RUNNING"], "RUNNING", "RUNNING"),
        (["key001", "on", "yes"], "true", True),
        (["key001", "rows", "[]"], "[]", []),
        (["key001", "new", '{"a": null}'], '{\n    "a": null\n}', {"a": None}),
        (["new", "label", "007", "--string"], "007", "007"),
        (["--string", "new", "label", "5"], "5", "5"),
        (["key001", "limit", "--", "-x"], "-x", "-x"),
        (["key001", "label", ""], "", ""),
    ],
)
def test_updates(
    params: Run, instance: str, tmp_path: Path, words: list[str], printed: str, stored: object
) -> None:
    done = params(instance, *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, printed + "\n", "")
    group, key = [word for word in words if not word.startswith("--")][:2]
    found = json.loads((tmp_path / instance / PARAMETERS).read_text(encoding="utf-8"))[group][key]
    assert found == stored and type(found) is type(stored)


def test_counts_up_and_down(params: Run, instance: str) -> None:
    assert params(instance, "global_parameters", "run_step_count", "-i").stdout == "2\n"
    assert params(instance, "global_parameters", "run_step_count", "-d").stdout == "1\n"
    assert params(instance, "new", "seen", "-d").stdout == "-1\n"
    assert params(instance, "new", "seen").stdout == "-1\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["DIR", "key01"], "there is no group 'key01'; did you mean key001?"),
        (["DIR", "zzz"], "there is no group 'zzz'; there are: global_parameters, key001, version"),
        (["DIR", "global_parameters", "run_count"], "did you mean run_step_count?"),
        (["DIR", "version", "x"], "'version' is a single value, not a group of keys"),
        (["DIR", "version", "x", "1"], "'version' is a single value, not a group of keys"),
        (["DIR", "key001", "label", "-i"], 'key001/label cannot count: "old" is not a whole number'),
        (["DIR", "key001", "on", "-d"], "key001/on cannot count: false is not a whole number"),
        (["nowhere"], "nowhere is not there; DIR comes first"),
        (["global_parameters", "run_step_count"], "global_parameters is not there; DIR comes first"),
        (["DIR/" + PARAMETERS], "is a file, not a directory; DIR comes first"),
        (["DIR", "key001", "label", "x", "-i"], "-i and -d take DIR GROUP KEY and no value"),
        (["DIR", "key001", "-i"], "-i and -d take DIR GROUP KEY and no value"),
        (["DIR", "key001", "label", "-i", "-d"], "not allowed with"),
        (["DIR", "key001", "--string"], "--string takes DIR GROUP KEY VALUE"),
        (["DIR", "key001", "label", "-x"], "a value that starts with a dash goes after --"),
        (["DIR", "key001", "label", "a", "b"], "unknown: b"),
    ],
)
def test_mistakes_get_one_message_and_change_nothing(
    params: Run, instance: str, tmp_path: Path, words: list[str], message: str
) -> None:
    before = json.loads((tmp_path / instance / PARAMETERS).read_text(encoding="utf-8"))
    done = params(*(word.replace("DIR", instance) for word in words))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""
    after = json.loads((tmp_path / instance / PARAMETERS).read_text(encoding="utf-8"))
    after["global_parameters"].pop("checkpoint", None)
    assert after == before


@pytest.mark.slow
def test_unreadable_json_is_said_with_its_place(params: Run, instance: str, tmp_path: Path) -> None:
    file = tmp_path / instance / PARAMETERS
    file.write_text('{"global_parameters": {"run_step_count": 1,}}')
    done = params(instance, "global_parameters")
    assert done.returncode == 2
    assert PARAMETERS in done.stderr and "line 1" in done.stderr
    assert file.read_text() == '{"global_parameters": {"run_step_count": 1,}}'


def test_help_has_examples(params: Run) -> None:
    done = params("--help")
    assert done.returncode == 0
    assert "octo_step_engine_parameters.py DIR global_parameters run_step_count -i" in done.stdout


def test_a_reader_that_leaves_early_is_no_error(checkout: Path, tmp_path: Path, instance: str) -> None:
    script = checkout / "modules" / "octo_step_engine_parameters.py"
    command = f'"{sys.executable}" "{script}" "{instance}" | true; exit ${{PIPESTATUS[0]}}'
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    done = start(["bash", "-c", command], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_unicode_still_gets_the_value(
    checkout: Path, tmp_path: Path, instance: str
) -> None:
    script = checkout / "modules" / "octo_step_engine_parameters.py"
    done = start(
        [sys.executable, str(script), instance, "key001", "größe"],
        tmp_path,
        PYTHONIOENCODING="ascii",
        PYTHONUTF8="1",
    )
    assert (done.returncode, done.stdout) == (0, "\\xe4\n")
