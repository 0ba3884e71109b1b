"""`octo run` and `octo step` of recipes: what is printed, what is made, how the command ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octo.store import ParameterStore


def files(tmp_path: Path) -> list[str]:
    return sorted(str(path) for path in tmp_path.rglob("*"))


def last_rows(out: str) -> dict[str, list[str]]:
    """The table at the end: what stands behind each step."""
    lines = out[out.index("\nstep ") + 1 :].split("\n\n")[0].splitlines()[1:]
    return {line.split()[0]: line.split()[1:] for line in lines}


# -- a run -------------------------------------------------------------------------------------------


def test_a_run_says_what_it_made_and_what_came_of_each_step(octo: Any, chain: str) -> None:
    result = octo("run", chain)
    assert result.out.startswith("new instance demo.octo of demo.yaml\n")
    for line in ("loading\n", "✓ load ", "✓ square[2] ", "(3 items)", "✓ total ", "done: 6 steps in "):
        assert line in result.out, result.out
    rows = last_rows(result.out)
    assert rows["load"][:2] == ["DONE", "1"] and rows["square"][-4:] == ["3", "of", "3", "items"]
    assert octo("ctx", "demo.octo", "get", "total").out == "5\n"
    again = octo("run", chain)
    assert "new instance" not in again.out and "done: 6 steps" in again.out


def test_a_finished_instance_is_left_alone(octo: Any, chain: str) -> None:
    octo("run", chain)
    result = octo("run", "demo.octo")
    assert "demo.octo finished at " in result.out and "nothing was run" in result.out
    assert "octo reset demo.octo" in result.next and "octo run demo.yaml" in result.next
    assert "--set was not used" in octo("run", "demo.octo", "--set", "a=1").out
    assert "done: 6 steps" in octo("run", "demo.octo", "--restart").out


def test_reset_makes_the_next_run_a_new_one(octo: Any, chain: str) -> None:
    octo("run", chain)
    octo("reset", "demo.octo")
    status = octo("status", "demo.octo", "--json").json
    assert (status["state"], status["steps"], status["run_step_count"]) == ("INACTIVE", {}, 1)
    assert status["recipe"].endswith("demo.yaml") and octo("ctx", "demo.octo", "get").out == "{}\n"
    assert "done: 6 steps" in octo("run", "demo.octo").out


@pytest.mark.slow
def test_a_failure_and_what_comes_after(octo: Any, write: Any, tmp_path: Path) -> None:
    recipe = write("name: load, function: 'M:load'", "name: fit, function: 'M:fail'",
                   "name: draw, function: 'M:load', depends_on: fit")
    result = octo("run", recipe, code=1)
    assert "✗ fit" in result.out and "octo: failed: ValueError in fit: no data\n" in result.err
    assert "what it had changed in ctx was undone: half\n" in result.err
    assert last_rows(result.out)["draw"] == ["WAITING", "waits", "for", "fit", "(FAILED)"]
    assert result.next[-1] == "octo run demo.octo"
    (tmp_path / "fixed").touch()
    octo("ctx", "demo.octo", "set", "rows", "[7]")
    result = octo("run", "demo.octo")
    assert "the run goes on: 1 of 3 steps are done" in result.out and "done: 2 steps" in result.out
    assert "changed in ctx since the last run: rows (" in result.err
    assert "octo run demo.octo --resume-from STEP" in result.err
    octo("fork", "demo.octo", "old")
    assert "the run goes on: 1 of 3 steps are done" in octo("run", "old", "--resume-from", "fit").out
    assert (tmp_path / "old" / "recipe.yaml").read_text() == (tmp_path / "demo.octo" / "recipe.yaml").read_text()
    result = octo("run", "demo.octo", "--resume-from", "fit")
    assert "the run goes on: 1 of 3 steps are done" in result.out and "done: 2 steps" in result.out


def test_retries_skips_and_background_steps(octo: Any, write: Any) -> None:
    recipe = write("name: watch, function: 'M:watch', background: true",
                   "name: flaky, function: 'M:flaky', retry: {attempts: 4, delay: 0}",
                   "name: never, function: 'M:load', when: 'ctx.get(\"x\")'",
                   "name: hello, cmd: echo, args: [hi, there]")
    result = octo("run", recipe)
    for text in ("• watch                    runs in the background", "OSError: not yet (try 1 of 4 failed, again)",
                 "(try 3 of 4)", "skipped (when: ", "stopped after ", "\nhi there\n",
                 "(1 skipped, 1 in the background)"):
        assert text in result.out, text
    rows = last_rows(result.out)
    assert rows["flaky"][:2] == ["DONE", "3"] and rows["never"][:2] == ["SKIPPED", "when:"]


@pytest.mark.slow
def test_cached_steps_say_so(octo: Any, write: Any) -> None:
    recipe = write("name: load, function: 'M:load', cache_key: one")
    octo("run", recipe)
    result = octo("run", recipe)
    assert "cached" in result.out and last_rows(result.out)["load"][0] == "CACHED"
    assert last_rows(octo("run", recipe, "--no-cache").out)["load"][0] == "DONE"


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--only", "load", "total"], ["--only", "load,total"],
                                   ["--only", "load", "--only", "total"], ["--skip", "square"]], ids=" ".join)
def test_a_selection(octo: Any, write: Any, words: list[str]) -> None:
    recipe = write("name: load, function: 'M:load'", "name: square, function: 'M:fail'",
                   "name: total, function: 'M:load'")
    result = octo("run", recipe, *words)
    rows = last_rows(result.out)
    assert [rows[name][0] for name in ("load", "square", "total")] == ["DONE", "LEFT_OUT", "DONE"]
    assert "(1 left out)" in result.out and result.next[0] == "octo run demo.octo"
    octo("run", "demo.octo", code=1)  # what was left out


def test_values_for_ctx(octo: Any, write: Any) -> None:
    recipe = write("name: load, function: 'M:load'", top="ctx: {a: 1}\n")
    octo("run", recipe, "--set", "a=2", "--set", 'b={"c": [1.5]}', "--set", "d=x=y", "--set", "e=NaN", "--set", "f=")
    assert octo("ctx", "demo.octo", "get").json == {
        "a": 2, "b": {"c": [1.5]}, "d": "x=y", "e": "NaN", "f": "", "rows": [0, 1, 2]
    }  # fmt: skip


def test_as_json(octo: Any, chain: str) -> None:
    result = octo("run", chain, "--json")
    assert result.json["directory"] == "demo.octo" and result.json["status"] == "COMPLETE_SUCCESS"
    assert result.json["recipe_steps"]["square"]["items"] == {"DONE": 3}
    assert "loading" in result.err


def test_quiet(octo: Any, chain: str) -> None:
    result = octo("run", chain, "--quiet")
    assert (result.out, result.err) == ("", "")


def test_a_directory_with_a_space_and_another_instance(octo: Any, chain: str) -> None:
    result = octo("run", chain, "--instance", "my runs/first")
    assert "new instance my runs/first of demo.yaml" in result.out
    result = octo("run", "my runs/first")
    assert "octo run demo.yaml --instance 'my runs/first'" in result.next
    assert "octo reset 'my runs/first'" in result.next


def test_debug_shows_what_each_step_changes(octo: Any, chain: str) -> None:
    result = octo("run", chain, "--debug")
    assert "load: ctx + rows: [0, 1, 2]\n" in result.out and "total: ctx + total: 5\n" in result.out
    kept = Path("demo.octo/Logs/ctx_debug.log").read_text()
    assert "load: ctx + rows: [0, 1, 2]\n" in kept and "square: ctx + squares: [0, 1, 4]\n" in kept
    assert "loading" in octo("logs", "demo.octo").out


def test_debug_shows_what_was_undone(octo: Any, write: Any) -> None:
    result = octo("run", write("name: fit, function: 'M:fail'"), "--debug", code=1)
    assert "fit: ctx + half: 1 (undone)\n" in result.out


def test_single_steps(octo: Any, chain: str) -> None:
    result = octo("step", chain)
    assert "1 step made" in result.out.replace("in ", "") or "1 step in" in result.out
    assert "octo step demo.octo" in result.next
    assert octo("status", "demo.octo", "--json").json["steps"]["load"]["status"] == "DONE"
    assert octo("step", "demo.octo", "-n", 100, "--json").json["status"] == "COMPLETE_SUCCESS"


# -- nothing is made ---------------------------------------------------------------------------------


def test_a_dry_run_makes_nothing(octo: Any, chain: str, tmp_path: Path) -> None:
    before = files(tmp_path)
    result = octo("run", chain, "--dry-run")
    assert files(tmp_path) == before
    assert "run beside others, for each of ctx.rows" in result.out and "new run" in result.out
    assert "demo.octo, which would be made: 3 steps of 3; nothing was done" in result.out
    octo("run", chain)
    before = files(tmp_path)
    planned = octo("run", "demo.octo", "--dry-run", "--resume-from", "square", "--json").json
    assert {row["step"]: (row["runs"], row["does"][:4]) for row in planned["steps"]} == {
        "load": (False, "stay"), "square": (True, "undo"), "total": (True, "undo")
    }  # fmt: skip
    assert "is finished" in octo("run", "demo.octo", "--dry-run").out
    assert files(tmp_path) == before


def test_the_list_of_steps(octo: Any, chain: str, tmp_path: Path) -> None:
    before = files(tmp_path)
    rows = octo("run", chain, "--list-steps").out.splitlines()
    assert [row.split()[0] for row in rows] == ["step", "load", "square", "total"]
    assert octo("run", chain, "--list-steps", "--json").json[0]["type"] == "python"
    assert files(tmp_path) == before


WRONG = [
    ("run demo.yaml --only laod", "'laod'; there are load, square, total; did you mean load?", None),
    ("run demo.yaml --only load --skip load", "nothing is left to run", "octo run RECIPE --list-steps"),
    ("run demo.yaml --resume-from total", "there is no earlier run", "octo run RECIPE"),
    ("run demo.yaml --keep-ctx", "--keep-ctx goes with --resume-from", None),
    ("run --only load demo.yaml", "demo.yaml was taken for a value of --only", None),
    ("run demo.yaml --set a", "KEY=VALUE", None),
    ("run demo.yaml --strict", "--strict is for step libraries", None),
    ("run dmeo.yaml", "did you mean demo.yaml?", None),
    ("run empty.yaml", "empty.yaml:1: ", None),
    ("run text.yaml", "text.yaml:1: ", None),
    ("run notes.txt", "notes.txt is a file; an instance is a directory", None),
    ("run .", "give a recipe in it", "octo run demo.yaml"),
    ("run sub", "sub is not an instance", None),
    ("run demo.yaml --instance notes.txt", "notes.txt is a file", None),
    ("run demo.yaml --instance notes.txt/x", "the instance notes.txt/x cannot be made",
     "octo run demo.yaml --instance OTHER_DIR"),
    ("run demo.yaml --instance full", "full is no instance, and not empty", None),
    ("run it --only load", "--only is for recipes; it runs a step library", "octo run it"),
    ("run it --set a=1 --no-cache", "are for recipes", "octo ctx it set KEY VALUE"),
    ("run it --list-steps", "--list-steps is for recipes", "octo list steps it"),
    ("step demo.yaml --dry-run", "--dry-run", None),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "says", "next_command"), WRONG, ids=[typed for typed, _, _ in WRONG])
def test_wrong_input(octo: Any, it: str, chain: str, tmp_path: Path, typed: str, says: str,
                     next_command: str | None) -> None:
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "text.yaml").write_text("just text")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "sub").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    before = [path for path in files(tmp_path) if "__pycache__" not in path]
    result = octo(*typed.split(), code=2)
    assert result.out == "" and says in result.err, result.err
    assert "Traceback" not in result.err
    if next_command is not None:
        assert next_command in result.next
    assert [path for path in files(tmp_path) if "__pycache__" not in path] == before, "a refused command made files"


def test_an_instance_takes_no_instance(octo: Any, chain: str) -> None:
    octo("run", chain, "-q")
    assert "demo.octo is an instance" in octo("run", "demo.octo", "--instance", "x", code=2).err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission(octo: Any, chain: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        result = octo("run", chain, code=2)
    finally:
        tmp_path.chmod(0o755)
    assert "the instance demo.octo cannot be made: Permission denied" in result.err
    assert "octo run demo.yaml --instance OTHER_DIR" in result.next


@pytest.mark.skipif(os.name == "nt", reason="files that are open cannot be removed there")
def test_an_instance_that_is_removed_during_its_run(octo: Any, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("steps:\n  - {name: a, cmd: rm, args: [-rf, r.octo]}\n  - {name: b, cmd: echo}\n")
    result = octo("run", "r.yaml", code=1)
    assert "r.octo" in result.err and "cannot be made" not in result.err and "Traceback" not in result.err


@pytest.mark.skipif(os.name == "nt", reason="needs a symbolic link")
def test_a_link_to_nowhere_is_not_what_was_meant(octo: Any, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").symlink_to("gone")
    assert "did you mean" not in octo("run", "r.yaml", code=2).err


# -- other processes ---------------------------------------------------------------------------------


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_at_once(octo: Any, write: Any, start: Any, tmp_path: Path) -> None:
    recipe = write("name: wait, function: 'M:wait'")
    process = start("run", recipe)
    until((tmp_path / "begun").exists)
    for typed in (recipe, "demo.octo"):
        result = octo("run", typed, code=2)
        assert f"is run by process {process.pid}" in result.err
        assert "octo status demo.octo --watch" in result.next
    status = octo("status", "demo.octo")
    assert "RUNNING at wait" in status.out
    (tmp_path / "go").touch()
    assert process.wait(timeout=30) == 0
    process.communicate()


@pytest.mark.slow
def test_ctrl_c_and_a_resume(octo: Any, write: Any, start: Any, tmp_path: Path) -> None:
    recipe = write("name: load, function: 'M:load'", "name: wait, function: 'M:wait'",
                   "name: last, function: 'M:load'")
    process = start("run", recipe)
    until((tmp_path / "begun").exists)
    process.send_signal(signal.SIGINT)
    until(lambda: "stopping" in "".join(path.read_text() for path in (tmp_path / "demo.octo/Logs").glob("*.log")))
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "stops when the steps that run have ended" in out and "octo: paused at last: Ctrl-C" in err
    steps = octo("status", "demo.octo", "--json").json["steps"]
    assert [steps[name]["status"] for name in ("load", "wait", "last")] == ["DONE", "DONE", "WAITING"]
    result = octo("run", recipe)
    assert "done: 1 step in" in result.out and "loading" in result.out


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(octo: Any, write: Any, start: Any, tmp_path: Path) -> None:
    recipe = write("name: wait, function: 'M:wait'", "name: last, function: 'M:load'")
    process = start("run", recipe)
    until((tmp_path / "begun").exists)
    process.send_signal(signal.SIGINT)
    until(lambda: "stopping" in "".join(path.read_text() for path in (tmp_path / "demo.octo/Logs").glob("*.log")))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "octo: paused at wait: Ctrl-C, at once" in err
    assert "cut off" in octo("status", "demo.octo").out
    (tmp_path / "go").touch()
    assert "done: 2 steps in" in octo("run", recipe).out


def test_watching_a_run_of_another_process(octo: Any, write: Any, start: Any, tmp_path: Path) -> None:
    process = start("run", write("name: load, function: 'M:load'", "name: wait, function: 'M:wait'"))
    until((tmp_path / "begun").exists)
    watcher = start("status", "demo.octo", "--watch")
    first = watcher.stdout.readline()
    assert "RUNNING at wait  1 DONE, 1 RUNNING" in first
    (tmp_path / "go").touch()
    out, _ = watcher.communicate(timeout=30)
    assert process.wait(timeout=30) == 0 and "COMPLETE_SUCCESS  2 DONE" in out
    process.communicate()


@pytest.mark.slow
def test_a_recipe_from_standard_input(chain: str, start: Any, tmp_path: Path) -> None:
    text = (tmp_path / chain).read_text()
    process = start("run", "-", stdin=subprocess.PIPE)
    out, err = process.communicate(text, timeout=30)
    assert process.returncode == 2 and "--instance DIR" in err and "Traceback" not in err
    process = start("run", "-", "--json", stdin=subprocess.PIPE)
    out, _ = process.communicate("metadata: {name: piped}\n" + text, timeout=30)
    assert process.returncode == 0 and json.loads(out)["directory"] == "piped.octo"
    assert ParameterStore(tmp_path / "piped.octo").get("ctx", "total") == 5


def test_what_steps_print_side_by_side_stays_whole_lines(octo: Any, start: Any, tmp_path: Path) -> None:
    (tmp_path / "printing.py").write_text(
        "def say(ctx, word):\n"
        "    for n in range(200):\n"
        "        print(word, end='')\n"
        "        print(word * 3, n)\n"
        "    print(word + ' has no end', end='')\n"
    )
    steps = "".join(f"- {{name: {word}, function: 'printing:say', params: {{word: {word}}}, parallel: true}}\n"
                    for word in ("aaaa", "bbbb", "cccc", "dddd"))
    (tmp_path / "demo.yaml").write_text("steps:\n" + steps)
    process = start("run", "demo.yaml")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    lines = out.splitlines()
    for word in ("aaaa", "bbbb", "cccc", "dddd"):
        assert [line for line in lines if line.startswith(word * 2)] == [f"{word * 4} {n}" for n in range(200)]
        assert f"{word} has no end" in lines


def test_help_runs_nothing_heavy() -> None:
    """`octo run --help` must not import what reads recipes."""
    code = ("import sys\nfrom octo.cli.main import cli\n"
            "try: cli(['run', '--help'])\nexcept SystemExit: pass\n"
            "print([name for name in ('pydantic', 'jinja2', 'yaml', 'rich', 'psutil') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
