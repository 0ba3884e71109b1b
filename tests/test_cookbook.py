"""docs/cookbook.md: each of its recipes, with the files, the commands and the output that stand there."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from octo.store import ParameterStore

COOKBOOK = (Path(__file__).resolve().parent.parent / "docs" / "cookbook.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\d+\. [^\n]+)\n(.*?)(?=^## |\Z)", COOKBOOK, re.MULTILINE | re.DOTALL))


def files_of(section: str) -> dict[str, str]:
    """The files that a section shows: their names stand above."""
    return dict(re.findall(r"^`([^`\n]+)`:\n```\w+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


def commands_of(section: str) -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines of output shown below it."""
    for console in re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        for command in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
            first, *shown = command.splitlines()
            yield first, [line for line in shown if line.strip() and line != "…"]


def shows(output: str, line: str) -> bool:
    """Whether a line of the page is in the output; `…` in it stands for anything."""
    wanted = ".*".join(map(re.escape, line.split("…")))
    return any(re.fullmatch(wanted, each.rstrip()) for each in output.splitlines())


def with_free_ports(text: str) -> str:
    """Recipes that run at once in tests do not share a port."""
    return re.sub(r"\b876\d\b", lambda found: str(free_port(found[0])), text)


@cache
def free_port(shown: str) -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("title", SECTIONS, ids=lambda title: title.split(".")[0])
def test_recipe(title: str, tmp_path: Path) -> None:
    section = SECTIONS[title]
    folder = tmp_path / "a folder"
    folder.mkdir()
    for name, text in files_of(section).items():
        (folder / name).write_text(with_free_ports(text), encoding="utf-8")
    commands = list(commands_of(section))
    assert files_of(section) and commands
    for command, shown in commands:
        program, *words = shlex.split(command)
        assert program == "octo"
        done = subprocess.run([sys.executable, "-m", "octo", *words], cwd=folder, capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        for line in shown:
            assert shows(done.stdout, line), f"{command}: not shown: {line}\n{done.stdout}"
    check = CHECKS.get(int(title.split(".")[0]))
    if check is not None:
        check(folder)


def test_twelve_jobs() -> None:
    assert len(SECTIONS) == 12


# --- what the files that they leave hold


def workbook(folder: Path) -> None:
    import openpyxl

    sheet = openpyxl.load_workbook(folder / "Data" / "day.xlsx")["Readings"]
    assert [[cell.value for cell in row] for row in sheet.iter_rows(max_row=2)] == [
        ["time", "volt", "temp"], ["08:00", 4.98, 21]]
    assert sheet.max_row == 5 and len(sheet._charts) == 1


def worst(folder: Path) -> None:
    assert (folder / "Data" / "worst.csv").read_text().splitlines()[1].startswith("A-19,95.2,")
    import sqlite3

    with sqlite3.connect(folder / "Data" / "bench.db") as db:
        assert db.execute("SELECT count(*) FROM resistance").fetchone() == (3,)


def settings(folder: Path) -> None:
    assert "1" in (folder / "Data" / "settings.json").read_text()


def lines(folder: Path) -> None:
    assert (folder / "Data" / "lines.csv").read_text() == "file,lines\none.txt,2\ntwo.txt,1\n"


def told(folder: Path) -> None:
    assert "A-18 has 97 degrees" in (folder / "messages.jsonl").read_text()


def burn_in(folder: Path) -> None:
    rows = (folder / "Data" / "burn_in.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["A-17", "done"], ["A-18", "error"], ["A-19", "done"]]


def draft(folder: Path) -> None:
    text = (folder / "Data" / "draft.md").read_text()
    first, again = ParameterStore(folder / "draft.octo").read()["ctx"]["llm_usage"]
    assert "A-18 drew 3.2 A" in text and again["cached"] and f"{first['total_tokens']} tokens were paid for" in text


def report(folder: Path) -> None:
    assert "calibrate" in (folder / "Data" / "audit.md").read_text()
    assert "<svg" in (folder / "Assets" / "steps.svg").read_text()
    assert "measure" in (folder / "report.html").read_text()


CHECKS: dict[int, Callable[[Path], None]] = {
    1: workbook, 2: worst, 3: settings, 5: lines, 7: told, 8: burn_in, 9: draft, 11: report,
}
