"""The frame: what the wheel installs, what a build machine runs, and that what is imported is declared."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import octo

TOP_LEVEL = {"octo_step_engine_parameters.py", "scriptlet_step_engine_params.py", "octolockjson.py"}
PARTS = ["octo", "step_library", "modules"]


@pytest.fixture(scope="module")
def config(checkout: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(checkout / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy that also has one more module name which must never become a top-level one."""
    source = tmp_path_factory.mktemp("a source")
    for part in PARTS:
        left = shutil.ignore_patterns("*.egg-info", "*.octo", "__pycache__")
        shutil.copytree(checkout / part, source / part, ignore=left)
    for file in ["setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"]:
        shutil.copy(checkout / file, source / file)
    (source / "modules" / "orchestrator" / "server.py").write_text("")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "-w",
        str(source / "out"),
        str(source),
    ]
    subprocess.run(command, check=True, timeout=300)
    return zipfile.ZipFile(next((source / "out").glob("*.whl")))


@pytest.mark.slow
def test_the_wheel_installs_only_our_own_names(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"octo", "step_library", *TOP_LEVEL}


@pytest.mark.slow
def test_the_wheel_carries_every_file(wheel: zipfile.ZipFile, checkout: Path) -> None:
    carried = set(wheel.namelist())
    expected = {
        path.relative_to(checkout).as_posix()
        for part in ["octo", "step_library"]
        for path in (checkout / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert expected <= carried, expected - carried
    documented = {
        f"octo/_modules/{path.relative_to(checkout / 'modules').as_posix()}"
        for path in (checkout / "modules").rglob("*.py")
    }
    assert documented | {"octo/_modules/orchestrator/server.py"} <= carried, documented - carried
    assert not [name for name in carried if name.endswith(".pyc")]


@pytest.mark.slow
def test_the_wheel_has_the_commands(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    commands = re.findall(r"^(\w+) = ", wheel.read(name).decode(), flags=re.MULTILINE)
    assert set(commands) == {"octo", "octo_step_engine_parameters", "scriptlet_step_engine_params"}


@pytest.fixture(scope="module")
def installed(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files where an installation puts them; what they need comes from this environment."""
    site = tmp_path_factory.mktemp("site-packages")
    wheel.extractall(site)
    return site


def python(installed: Path, directory: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Python with the installed wheel, in a directory outside of the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_installed_names(installed: Path, tmp_path: Path) -> None:
    code = """
import importlib.util, octo
import octo_step_engine_parameters, scriptlet_step_engine_params, octolockjson, step_library
print(octo.__file__)
for name in ("context", "runner", "loader", "orchestrator", "scriptlets", "server"):
    assert importlib.util.find_spec(name) is None, name
"""
    done = python(installed, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed)


@pytest.mark.slow
@pytest.mark.parametrize("script", [False, True])
def test_an_installed_run_finds_the_documented_names(installed: Path, tmp_path: Path, script: bool) -> None:
    (tmp_path / "scriptlets" / "mine").mkdir(parents=True)
    (tmp_path / "scriptlets" / "mine" / "greet.py").write_text(
        "from orchestrator.context import Context\n"
        "from orchestrator.runner.dependency_graph import DependencyGraph\n"
        "from scriptlets.core.base import BaseScriptlet\n"
        "class Greet(BaseScriptlet):\n"
        "    def run(self, ctx: Context, params):\n"
        "        ctx.set('file', __import__('orchestrator.context').context.__file__)\n"
    )
    recipe = tmp_path / "greet.yaml"
    recipe.write_text(
        "steps:\n"
        "  - {name: here, module: scriptlets.mine.greet, function: Greet}\n"
        "  - {name: there, module: scriptlets.mine.greet, function: Greet, executor: process}\n"
    )
    if script:
        runner = installed / "octo" / "_modules" / "orchestrator" / "runner.py"
        done = python(installed, tmp_path, runner, "--recipe", recipe.name)
    else:
        code = "import octo.recipe.run as r; print(r.run_recipe('greet.yaml').status)"
        done = python(installed, tmp_path, "-c", code)
        assert done.stdout == "COMPLETE_SUCCESS\n", done.stderr
    assert done.returncode == 0, done.stderr
    state = (tmp_path / "greet.octo" / ".octo_step_engine_parameters.json").read_text()
    file = json.loads(state)["ctx"]["file"]
    assert Path(file) == installed / "octo" / "_modules" / "orchestrator" / "context.py"


@pytest.mark.slow
def test_the_documented_paths_of_steps_work_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    """As a program by its path, and imported from there; a user's own module of the name wins."""
    there = installed / "octo" / "_modules"
    steps = sorted((there / "scriptlets" / "python").glob("[cs]*/ctx_*.py"))
    assert len(steps) > 50
    done = python(installed, tmp_path, there / "scriptlets/python/core/ctx_logger.py", "--ctx-out", "out.json",
                  "--msg", "Manual log entry")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text())["log"][0]["msg"] == "Manual log entry"
    mine = tmp_path / "scriptlets" / "python" / "core"
    mine.mkdir(parents=True)
    (mine / "ctx_map.py").write_text("def run(ctx, params):\n    ctx['mine'] = True\n")
    recipe = tmp_path / "own.yaml"
    recipe.write_text(
        "steps:\n"
        "  - {name: mine, module: scriptlets.python.core.ctx_map}\n"
        "  - {name: theirs, module: scriptlets.python.steps.ctx_init, params: {keys: [rows]}}\n"
        "  - {name: shell, type: shell, cmd: scriptlets/shell/ctx_env_echo.sh}\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(there)!r})\n"
        "import scriptlets.python.core.ctx_init as first, scriptlets.python.steps.ctx_init as second\n"
        "print(first is second, first.__file__)\n"
        "import octo.recipe.run as r; print(r.run_recipe('own.yaml').status)"
    )
    done = python(installed, tmp_path, "-c", code)
    first, *shell, status = done.stdout.splitlines()
    assert first == f"True {installed / 'step_library/state/ctx_init.py'}"
    assert shell == ["CTX ENV VARS:"] and status == "COMPLETE_SUCCESS", done.stderr
    ctx = json.loads((tmp_path / "own.octo" / ".octo_step_engine_parameters.json").read_text())["ctx"]
    assert ctx["mine"] is True and ctx["rows"] == []


def test_the_version_is_one(config: configparser.ConfigParser, checkout: Path) -> None:
    version = config["metadata"]["version"]
    assert octo.__version__ == version
    assert version in (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    try:
        installed = metadata.version("octo-step-engine")
    except metadata.PackageNotFoundError:
        pytest.skip("this environment runs from the checkout without installation")
    assert installed == version


def imports_that_run(node: ast.AST) -> Iterator[ast.AST]:
    """All parts of a module except what stands under `if TYPE_CHECKING:`."""
    yield node
    for part in ast.iter_child_nodes(node):
        if not (isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING"):
            yield from imports_that_run(part)


@pytest.mark.slow
def test_what_is_imported_is_declared(config: configparser.ConfigParser, checkout: Path) -> None:
    """Every third-party import of octo/ and step_library/ is a core dependency or belongs to an extra."""
    requirements = "\n".join([config["options"]["install_requires"], *config["options.extras_require"].values()])
    declared = {
        re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^\w[\w.-]*", requirements, re.MULTILINE)
    }
    distributions = metadata.packages_distributions()
    own = {"octo", "step_library", *(name.removesuffix(".py") for name in TOP_LEVEL)}
    missing = set()
    for path in [*(checkout / "octo").rglob("*.py"), *(checkout / "step_library").rglob("*.py")]:
        beside = {other.stem for other in path.parent.glob("*.py")} | own
        for node in imports_that_run(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in {name.split(".")[0] for name in names} - beside - sys.stdlib_module_names:
                known = {re.sub(r"[-_.]+", "-", each).lower() for each in distributions.get(name, [name])}
                if not known & declared:
                    missing.add(f"{path.relative_to(checkout)} imports {name}")
    assert not missing, "\n".join(sorted(missing))


@pytest.mark.skipif(os.name == "nt", reason="the build machine is not Windows")
def test_the_build_machine_runs_make_test_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$PWD: make $*"\n')
    make.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = subprocess.run(
        [checkout / ".ci" / "run"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{checkout}: make test\n"


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_alone_says_what_there_is(checkout: Path) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=checkout, capture_output=True, text=True, check=True
    )
    targets = re.findall(r"^make (\w+)", done.stdout, flags=re.MULTILINE)
    makefile = (checkout / "Makefile").read_text(encoding="utf-8")
    declared = re.search(r"^\.PHONY: (.*)", makefile, flags=re.MULTILINE)
    assert declared and set(targets) == set(declared[1].split()) - {"help"}
