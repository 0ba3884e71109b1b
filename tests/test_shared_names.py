"""What a run can import: its own folders first, and `scriptlets` and `orchestrator` shared with Octo."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from octo.resolve import on_path, resolve, run_path
from octo.shared_names import SHARED, library_steps, modules_directory

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


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What tests import under the shared names is no other test's."""

    def shared() -> dict[str, object]:
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in SHARED}

    before = shared()
    yield
    for name in shared():
        del sys.modules[name]
    sys.modules.update(before)  # type: ignore[arg-type]


def in_a_program(code: str, cwd: Path) -> str:
    """What a new Python prints that runs `code` with `cwd` as a run's folder."""
    start = "from octo.resolve import install, run_path; from pathlib import Path\n"
    start += "install(run_path(None, Path.cwd()))\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_order_of_the_path(tmp_path: Path) -> None:
    recipes, start = tmp_path / "recipes", tmp_path / "start"
    assert run_path(recipes, start) == [str(recipes), str(start), modules_directory()]
    assert run_path(None, start) == [str(start), modules_directory()]
    assert run_path(start, start) == [str(start), modules_directory()]
    assert Path(modules_directory(), "octolockjson.py").is_file()


def test_the_path_is_as_before_when_the_last_run_has_left(tmp_path: Path) -> None:
    before, hooks, finders = list(sys.path), list(sys.path_hooks), list(sys.meta_path)
    with on_path(run_path(tmp_path, tmp_path)):
        with on_path(run_path(tmp_path / "inner", tmp_path)):
            assert sys.path[:2] == [str(tmp_path / "inner"), str(tmp_path)]
        assert sys.path[0] == str(tmp_path)
    assert (sys.path, sys.path_hooks, sys.meta_path) == (before, hooks, finders)


@pytest.mark.parametrize("marker", ["scriptlets/__init__.py", None])
@pytest.mark.parametrize("before", [True, False])
def test_the_users_folder_lives_beside_octos(write: Write, tmp_path: Path, marker: str | None, before: bool) -> None:
    write("scriptlets/core/mine.py", "def run(): return 'mine'")
    write("scriptlets/steps/deep.py", "from scriptlets.core.base import BaseScriptlet\nimport scriptlets.core.mine")
    if marker:
        write(marker, "VERSION = 'of the user'")
        write("scriptlets/core/__init__.py", "from .mine import run")
    code = "import scriptlets.framework\n" if before else ""
    start = "import sys, octo.shared_names as s; sys.path.append(s.modules_directory())\n" + code
    told = in_a_program(
        start + "import scriptlets, scriptlets.steps.deep, scriptlets.core.base, scriptlets.framework\n"
        "print(getattr(scriptlets, 'VERSION', None), scriptlets.core.mine.run(), scriptlets.core.base.BaseScriptlet)",
        tmp_path,
    )
    assert told == f"{'of the user' if marker else None} mine <class 'octo.scriptlet.BaseScriptlet'>"


def test_a_package_imported_before_the_run_gets_the_users_code(write: Write, tmp_path: Path) -> None:
    write("scriptlets/__init__.py", "VERSION = 'of the user'")
    write("scriptlets/core/mine.py", "def run(): return 'mine'")
    with on_path([tmp_path / "elsewhere"]):
        ours = importlib.import_module("scriptlets.core.base")
    with on_path([tmp_path]):
        scriptlets = importlib.import_module("scriptlets")
        assert scriptlets.VERSION == "of the user"
        assert resolve("scriptlets.core.mine")() == "mine"
        assert importlib.import_module("scriptlets.core.base") is ours
        assert scriptlets.core.base is ours
    with on_path([tmp_path / "elsewhere"]):
        assert not hasattr(importlib.import_module("scriptlets"), "VERSION")
        assert importlib.import_module("scriptlets.core.base") is ours


def test_a_module_in_both_is_the_users(write: Write, tmp_path: Path) -> None:
    write("scriptlets/framework.py", "BaseScriptlet = 'mine'")
    with on_path([tmp_path]):
        assert importlib.import_module("scriptlets.framework").BaseScriptlet == "mine"
        assert importlib.import_module("scriptlets.core.base").BaseScriptlet != "mine"


def test_a_file_and_a_folder_of_one_name(write: Write, tmp_path: Path) -> None:
    write("orchestrator/planner.py", "WHAT = 'the file'")
    write("orchestrator/planner/parts.py", "WHAT = 'in the folder'")
    write("orchestrator/store_of_mine/bus.py", "WHAT = 'the bus'")
    write("orchestrator/store_of_mine.py", "WHAT = 'the store'")
    with on_path([tmp_path]):
        for name, what in [
            ("planner", "the file"),
            ("planner.parts", "in the folder"),
            ("store_of_mine.bus", "the bus"),
            ("store_of_mine", "the store"),
        ]:
            assert importlib.import_module(f"orchestrator.{name}").WHAT == what


def test_two_folders_one_after_the_other(write: Write, tmp_path: Path) -> None:
    for run in ("one", "two"):
        write(f"{run}/scriptlets/load.py", f"def run(): return {run!r}")
        write(f"{run}/plain_step.py", f"def run(): return {run!r}")
        write(f"{run}/space/deep.py", f"def run(): return {run!r}")
    for run in ("one", "two", "one"):
        with on_path(run_path(tmp_path / run, tmp_path)):
            assert resolve("scriptlets.load")() == run
            assert resolve("plain_step")() == run
            assert resolve("space.deep")() == run


def test_an_edited_file_is_read_again_in_the_next_run(write: Write, tmp_path: Path) -> None:
    """Also one of the same length, in the same second: the usual case of a fix."""
    for text in ("1", "2", "3"):
        write("fixed_step.py", f"def run(): return {text}")
        write("scriptlets/fixed.py", f"def run(): return {text}")
        with on_path([tmp_path]):
            assert resolve("fixed_step")() == resolve("scriptlets.fixed")() == int(text)


def test_an_unchanged_module_is_not_run_twice(write: Write, tmp_path: Path) -> None:
    import builtins

    count = "builtins.octo_count = getattr(builtins, 'octo_count', 0) + 1"
    write("counted.py", f"import builtins\n{count}\ndef run(): pass")

    try:
        for _ in range(3):
            with on_path([tmp_path]):
                resolve("counted")
        assert builtins.octo_count == 1  # type: ignore[attr-defined]
    finally:
        del builtins.octo_count  # type: ignore[attr-defined]


def test_what_the_program_imported_itself_stays(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("of_the_program.py", "def run(): return 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = importlib.import_module("of_the_program")
    try:
        for text in ("2", "3"):
            path.write_text(f"def run(): return {text}", encoding="utf-8")
            with on_path([tmp_path]):
                assert sys.modules["of_the_program"] is mine
    finally:
        del sys.modules["of_the_program"]


# --- steps of the library


@pytest.fixture
def library(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import step_library

    write("steps/theme_of_test/ctx_sample.py", "COUNT = []\ndef run(ctx, params): return 'the library'")
    write("steps/nodes_of_test/step_node_first.py", "")
    write("steps/nodes_of_test/helper.py", "def run(): pass")
    monkeypatch.setattr(step_library, "__path__", [*step_library.__path__, str(tmp_path / "steps")])
    return tmp_path


def test_all_paths_of_a_library_step_give_one_module(library: Path) -> None:
    with on_path([library]):
        from_library = importlib.import_module("step_library.theme_of_test.ctx_sample")
        for place in ("core", "steps", "apps"):
            found = importlib.import_module(f"scriptlets.python.{place}.ctx_sample")
            assert found is from_library
            assert sys.modules[f"scriptlets.python.{place}"].ctx_sample is from_library
            assert resolve(f"scriptlets.python.{place}.ctx_sample") is from_library.run
        assert from_library.__name__ == "step_library.theme_of_test.ctx_sample"
        assert from_library.__spec__ is not None and from_library.__spec__.name == from_library.__name__
        assert resolve("ctx_sample") is resolve("ctx_sample:run") is from_library.run


def test_the_users_own_stands_for_a_library_step(library: Path, write: Write) -> None:
    write("scriptlets/python/steps/ctx_sample.py", "def run(ctx, params): return 'mine'")
    with on_path([library]):
        assert resolve("scriptlets.python.steps.ctx_sample")(None, None) == "mine"
        assert resolve("scriptlets.python.core.ctx_sample")(None, None) == "the library"


def test_steps_are_listed_without_importing_them(library: Path) -> None:
    sys.modules.pop("step_library.theme_of_test.ctx_sample", None)
    steps = library_steps()
    assert steps["ctx_sample"] == "step_library.theme_of_test.ctx_sample"
    assert "helper" not in steps and "step_node_first" not in steps
    assert "step_library.theme_of_test.ctx_sample" not in sys.modules


def test_a_documented_import_below_modules_needs_no_installed_octo(checkout: Path) -> None:
    """`modules/` as the current directory, in a Python that does not have Octo: the checkout's is found."""
    code = (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
        f"sys.path[:] = [p for p in sys.path if p != {str(checkout)!r}]\n"
        "from scriptlets.framework import BaseScriptlet\nfrom scriptlets.core.base import register_scriptlet\n"
        "import octo; print(octo.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout / "modules", capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == str(checkout / "octo" / "__init__.py"), done.stderr


@pytest.mark.parametrize("order", ["modules first", "mine first"])
def test_the_files_at_documented_paths_stand_for_the_library_or_the_user(checkout: Path, tmp_path: Path,
                                                                         order: str) -> None:
    """Outside of a run, where Python itself finds the file in `modules/` first."""
    mine = tmp_path / "scriptlets" / "python" / "core"
    mine.mkdir(parents=True)
    (mine / "ctx_map.py").write_text("def run(ctx, params): return 'mine'\n")
    (mine / "only_mine.py").write_text("run = 1\n")
    code = (
        "from scriptlets.python.core import ctx_stats\n"
        "import scriptlets.python.steps.ctx_stats as second, step_library.data.ctx_stats as real\n"
        "import scriptlets.python.core.ctx_map as mapped, scriptlets.python.steps.ctx_map as theirs\n"
        "import scriptlets.python.core.only_mine as only\n"
        "print(ctx_stats is second is real, mapped.run(None, None), theirs.__name__, only.run)"
    )
    places = [checkout / "modules", tmp_path] if order == "modules first" else [tmp_path, checkout / "modules"]
    path = os.pathsep.join(map(str, [*places, checkout]))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "scriptlets", capture_output=True, text=True,
                          timeout=120, env={**os.environ, "PYTHONPATH": path})
    assert done.stdout.strip() == "True mine step_library.data.ctx_map 1", done.stderr
