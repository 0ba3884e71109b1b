"""instances/recipes: each is run from a copy, with the command that its README shows, and what it finds is checked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octo.recipe.run import run_recipe

ROOT = Path(__file__).resolve().parents[2]
PARAMETER_FILE = ".octo_step_engine_parameters.json"


class Workplace:
    """A directory laid out as the repository, from which the commands of the READMEs are typed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, name: str, *below: str) -> Path:
        return self.directory.joinpath("instances", "recipes", name, *below)

    def run(self, name: str, **options: Any) -> Any:
        return run_recipe(f"instances/recipes/{name}/{name}.yaml", **options)

    def state(self, name: str) -> dict[str, Any]:
        text = (self.directory / f"{name}.octo" / PARAMETER_FILE).read_text(encoding="utf-8")
        state: dict[str, Any] = json.loads(text)
        return state

    def made(self, name: str, *below: str) -> Path:
        return self.directory.joinpath(f"{name}.octo", *below)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    left = shutil.ignore_patterns("__pycache__", "*.octo")
    shutil.copytree(ROOT / "instances" / "recipes", tmp_path / "instances" / "recipes", ignore=left)
    shutil.copytree(ROOT / "step_library", tmp_path / "step_library", ignore=left)
    monkeypatch.chdir(tmp_path)
    return Workplace(tmp_path)


def test_every_recipe_is_run_here() -> None:
    found = {path.name for path in (ROOT / "instances" / "recipes").iterdir() if path.is_dir()}
    # the demo needs a browser: tests/steps/test_demo_screen_dash_ctx.py
    assert found == {"hello_world", "sunspot_cycles", "file_inventory", "demo_screen_dash_ctx"}
    for name in found:
        folder = ROOT / "instances" / "recipes" / name
        assert (folder / f"{name}.yaml").is_file()
        assert f"octo run instances/recipes/{name}/{name}.yaml" in (folder / "README.md").read_text(encoding="utf-8")


def test_hello_world(workplace: Workplace, capfd: pytest.CaptureFixture[str]) -> None:
    result = workplace.run("hello_world")
    assert result.status == "COMPLETE_SUCCESS"
    assert "Hello, World!" in capfd.readouterr().out
    assert workplace.state("hello_world")["ctx"] == {"hello_world.output": "Hello, World!"}
    assert workplace.made("hello_world", "Assets", "graph.png").read_bytes().startswith(b"\x89PNG")


def test_sunspot_cycles(workplace: Workplace) -> None:
    assert workplace.run("sunspot_cycles").exit_code == 0
    ctx = workplace.state("sunspot_cycles")["ctx"]
    cycles = ctx["cycles"]
    assert len(cycles) == 26
    assert sum(cycle["years"] for cycle in cycles) / 26 == pytest.approx(10.92, abs=0.01)
    first = next(cycle for cycle in cycles if cycle["from"] == 1755)  # which is counted as number 1
    assert (first["to"], first["peak_year"], first["peak"]) == (1766, 1761, 85.9)
    assert max(cycles, key=lambda cycle: cycle["years"])["from"] == 1784
    assert max(cycles, key=lambda cycle: cycle["peak"])["peak_year"] == 1957
    assert ctx["centuries"][2] == {"from": 1900, "years": 100, "mean": 60.5}
    page = workplace.made("sunspot_cycles", "Assets", "report.html").read_text(encoding="utf-8")
    assert "26 cycles of 10.9 years" in page and "<svg" in page
    table = workplace.made("sunspot_cycles", "Data", "cycles.csv").read_text(encoding="utf-8").splitlines()
    assert len(table) == 27 and table[0] == "from,to,years,peak_year,peak,mean"


def test_a_spoilt_number_is_told_with_its_line_and_the_run_goes_on(workplace: Workplace) -> None:
    file = workplace.path("sunspot_cycles", "Data", "sunspots.csv")
    good = file.read_text(encoding="utf-8")
    file.write_text(good.replace("1703,23", "1703,abc"), encoding="utf-8")
    failed = workplace.run("sunspot_cycles")
    assert (failed.exit_code, failed.error["node"]) == (1, "read")
    assert "Data/sunspots.csv:5" in failed.error["message"]
    file.write_text(good, encoding="utf-8")
    again = workplace.run("sunspot_cycles")
    assert (again.exit_code, again.run_id) == (0, failed.run_id)


def test_resume_from_runs_only_what_depends_on_it(workplace: Workplace) -> None:
    workplace.run("sunspot_cycles")
    before = workplace.state("sunspot_cycles")["steps"]
    result = workplace.run("sunspot_cycles", resume_from="find_cycles")
    after = workplace.state("sunspot_cycles")["steps"]
    assert result.exit_code == 0 and set(result.timings) == {"find_cycles", "report"}
    assert [name for name in before if before[name]["start"] == after[name]["start"]] == [
        name for name in before if name not in ("find_cycles", "report")
    ]
    assert len(workplace.state("sunspot_cycles")["ctx"]["cycles"]) == 26


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the recipe needs the program find")
def test_file_inventory(workplace: Workplace) -> None:
    result = workplace.run("file_inventory")
    assert result.status == "COMPLETE_SUCCESS", result.error
    files = sorted(path for path in Path("step_library").rglob("*.py") if path.stat().st_size)
    state = workplace.state("file_inventory")
    ctx = state["ctx"]
    assert [file["path"] for file in ctx["files"]] == sorted(path.as_posix() for path in files)
    assert len(state["steps"]["measure"]["items"]) == len(files)
    by_path = {file["path"]: file for file in ctx["files"]}
    for path in files:
        data = path.read_bytes()
        there = by_path[path.as_posix()]
        assert there["sha256"] == hashlib.sha256(data).hexdigest() and there["bytes"] == len(data)
        assert there["lines"] == len(data.splitlines())
    assert ctx["totals"]["files"] == len(files)
    sums = workplace.made("file_inventory", "Data", "SHA256SUMS").read_text(encoding="utf-8")
    assert sums == "".join(f"{by_path[path]['sha256']}  {path}\n" for path in sorted(by_path))
    page = workplace.made("file_inventory", "Assets", "report.html").read_text(encoding="utf-8")
    assert f"{len(files)} files" in page and "<svg" in page


@pytest.mark.skipif(os.name == "nt", reason="the recipe needs the program find")
def test_file_inventory_of_another_folder_finds_what_is_the_same(workplace: Workplace) -> None:
    folder = workplace.directory / "mine with blank"
    folder.mkdir()
    for name, text in {"a.py": "x = 1\n", "b.py": "x = 1\n", "c.py": "y = 2"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert workplace.run("file_inventory", values={"folder": folder.name}).exit_code == 0
    ctx = workplace.state("file_inventory")["ctx"]
    assert ctx["same"] == [["mine with blank/a.py", "mine with blank/b.py"]]
    assert ctx["totals"] == {"files": 3, "lines": 3, "bytes": 17}


@pytest.mark.slow
def test_the_command_of_the_readme(workplace: Workplace) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "modules")])}
    done = subprocess.run(
        [sys.executable, "-m", "octo", "run", "instances/recipes/sunspot_cycles/sunspot_cycles.yaml"],
        cwd=workplace.directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len(workplace.state("sunspot_cycles")["ctx"]["cycles"]) == 26
