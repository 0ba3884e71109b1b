"""The benchmarks run and print their table. No time is asserted: this machine may be busy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bench" / "run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_a_tiny_run_prints_each_line_of_octos_own_budget_and_leaves_nothing_behind(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    figures = tmp_path / "figures.json"
    done = bench(
        "--quick", "--dir", disk, "--json", figures,
        "--only", "step", "group", "large,append", "--only", "increments", "cli", "memory", "recipes", "steps",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    told = json.loads(figures.read_text())
    assert len(table) == 2 + len(told["lines"])
    assert "not measured" not in done.stdout
    judged = {line["met"] for line in told["lines"] if line["bar"]}
    assert judged <= {True, False}
    assert all(figure["median"] > 0 for figure in told["measurements"].values())
    assert told["measurements"]["increments"]["lost"] == 0
    assert not list(disk.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["langgraph", "burr"])
def test_the_other_engines_run_the_same_loop_where_they_are_installed(engine: str, tmp_path: Path) -> None:
    done = bench("--quick", "--dir", tmp_path, "--only", engine)
    assert done.returncode == 0, done.stderr
    if "is not installed" in done.stderr:
        assert "not measured" in done.stdout
        pytest.skip(f"{engine} is not installed")
    assert "synchronous=FULL" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_an_interrupted_run_prints_what_it_has_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--dir", str(tmp_path), "--only", "step", "--quick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        while not running.stderr.readline().startswith("[2/"):
            pass
        running.send_signal(signal.SIGINT)
        printed, problems = running.communicate(timeout=60)
    assert running.returncode == 130, problems
    assert [line for line in printed.splitlines() if line.startswith("| write + fdatasync")]
    assert not list(tmp_path.iterdir())


def test_a_misspelt_group_is_told_with_the_groups_there_are() -> None:
    done = bench("--only", "stp")
    assert done.returncode == 2
    assert "no such group: stp" in done.stderr and "increments" in done.stderr
