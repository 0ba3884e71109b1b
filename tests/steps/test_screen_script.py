"""screen_script: real GNU screen sessions, in a folder of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from octo.shared_names import shell_steps
from tests.recipe.runs import Project
from tests.steps.programs import Screen, needs_screen, plain_environment, typed

pytestmark = [pytest.mark.slow, needs_screen]


def names(screen: Screen) -> list[str]:
    return sorted(session["name"] for session in json.loads(screen("-l", "--json")))


def test_a_session_is_made_listed_and_ended(screen: Screen) -> None:
    """-c my_analysis, -l, -k."""
    assert screen("-l") == "" and screen("-l", "--json") == "[]\n"
    screen("-c", "my_analysis")
    [session] = json.loads(screen("-l", "--json"))
    assert session["name"] == "my_analysis" and session["state"] == "Detached"
    assert screen("-l") == f"{session['pid']:<10} my_analysis\n"
    os.kill(session["pid"], 0)
    screen("-k", "my_analysis")
    assert screen("-l") == ""


def test_the_columns_are_the_documented_ones(tmp_path: Path) -> None:
    """`12345      test_screen`, from what screen says; a dead session is none."""
    fake = tmp_path / "screen"
    lines = [r"\t12345.test_screen\t(11/21/2026 07:20:01 PM)\t(Detached)", r"\t67890.another.screen\t(Attached)",
             r"\t1.gone\t(Dead ???)"]
    said = r"\n".join(["There are screens on:", *lines, r"3 Sockets in /run.\n"])
    fake.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    fake.chmod(0o755)
    done = subprocess.run(["bash", shell_steps()["screen_script"], "-l"], capture_output=True, text=True,
                          env=plain_environment(PATH=f"{tmp_path}:{os.environ['PATH']}"), timeout=60)
    assert done.stdout == "12345      test_screen\n67890      another.screen\n"


def test_killing_what_is_not_there_is_a_warning(screen: Screen) -> None:
    """-k test_screen."""
    screen("-c", "foobar")
    done = typed("screen_script", "-k", "foo", cwd=screen.folder)
    assert (done.returncode, done.stdout) == (0, "") and "warning: there is no session foo" in done.stderr
    assert names(screen) == ["foobar"]


def test_a_name_is_matched_as_a_whole(screen: Screen) -> None:
    for name in ("foobar", "foo", "a.foo"):
        screen("-c", name)
    screen("-k", "foo")
    assert names(screen) == ["a.foo", "foobar"]
    assert "there is no session foo" in screen("-s", "foo", "echo", code=1)


@pytest.mark.parametrize("option", ["-c", "-r"])
def test_one_that_is_there_is_not_made_twice(screen: Screen, option: str) -> None:
    screen("-c", "foo")
    assert "is there already" in screen(option, "foo", code=1)
    assert names(screen) == ["foo"]


def test_made_anew(screen: Screen) -> None:
    """-d my_analysis."""
    screen("-d", "my_analysis")
    first = screen("-q", "my_analysis")
    screen("-d", "my_analysis")
    assert names(screen) == ["my_analysis"] and screen("-q", "my_analysis") != first


def test_is_it_there(screen: Screen) -> None:
    assert screen("-q", "foo", code=1) == ""
    screen("-c", "foo")
    assert screen("-q", "foo").strip().isdigit()


HARD = """for i in 1 2; do echo "n$i ^X \\n %t 'q$i' \\\\ ${HOME:+set} ä" >> out; done"""


def test_commands_are_typed_as_they_are(screen: Screen) -> None:
    """-s dash_screen "python3 my_dashboard.py --port 8050"."""
    screen("-c", "dash_screen")
    long = "x" * 1500
    told = screen("-s", "dash_screen", HARD, f"echo {long} >> out", "echo end >> out")
    assert HARD in told
    lines = screen.until("out", "end").splitlines()
    wanted = subprocess.run(["sh", "-c", HARD.replace(">> out", "")], capture_output=True, text=True, check=True)
    assert lines == [*wanted.stdout.splitlines(), long, "end"]


def test_a_documented_path_is_octos_own_file(screen: Screen) -> None:
    screen("-c", "foo")
    listing = "bash orchestrator/scriptlets/shell/ctx_env_echo.sh > out"
    told = screen("-s", "foo", f"{listing}; echo scriptlets/no/file >> out")
    assert "/modules/scriptlets/shell/ctx_env_echo.sh > out" in told and "echo scriptlets/no/file" in told
    assert screen.until("out", "no/file").startswith("CTX ENV VARS:\n")
    (screen.folder / "scriptlets").mkdir()
    (screen.folder / "scriptlets" / "mine.sh").touch()
    assert "bash scriptlets/mine.sh\n" in screen("-s", "foo", "bash scriptlets/mine.sh")


def test_a_log_of_what_it_shows(screen: Screen) -> None:
    """-r mysession, and the sequence -r, -s, -l, -s, -k; what the documents end by killall is ended by the session."""
    assert "log Logs/mysession_screen.log" in screen("-r", "mysession")
    screen("-s", "mysession", "echo $((40 + 2)) is the answer")
    assert "42 is the answer" in screen.until("Logs/mysession_screen.log", "42 is the answer")
    assert "42 is the answer" in screen("-a", "mysession")  # no terminal here, so the end of the log
    screen("-k", "mysession")
    assert names(screen) == [] and "42" in screen.read("Logs/mysession_screen.log")


def test_a_log_elsewhere(screen: Screen) -> None:
    screen("-r", "foo", "my logs/100%t.txt")
    screen("-s", "foo", "echo $((40 + 2)) is the answer")
    screen.until("my logs/100%t.txt", "42 is the answer")
    assert not (screen.folder / "Logs").exists(), "the log is there and nowhere else"


def test_without_screen(tmp_path: Path) -> None:
    for program in ("bash", "awk", "dirname"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    done = subprocess.run(["bash", shell_steps()["screen_script"], "-l"], capture_output=True, text=True,
                          env={"PATH": str(tmp_path)}, timeout=60)
    assert done.returncode == 100 and "GNU screen is not installed" in done.stderr


@pytest.mark.parametrize("words", [["-x"], ["-c"], ["-c", ""], ["-c", "a b"], ["-c", "a/b"], ["-c", "-l"],
                                   ["-s", "foo"], ["-l", "foo"], ["-k", "a", "b"]], ids=" ".join)
def test_wrong_words_bring_the_help(screen: Screen, words: list[str]) -> None:
    told = screen(*words, code=1)
    assert told.startswith("screen_script.sh: ") and "-s NAME COMMAND" in told


@pytest.mark.parametrize("words", [[], ["-h"]], ids=["nothing", "-h"])
def test_help_lists_all_options(screen: Screen, words: list[str]) -> None:
    told = screen(*words)
    assert all(f"screen_script.sh -{option} " in told for option in "lkcdsr") and "#" not in told


def test_in_a_recipe_with_a_resume(screen: Screen) -> None:
    """The steps create_screen_for_dash and run_dash_app; a session outlives the run that made it."""
    project = Project(screen.folder)
    project.bodies("from pathlib import Path\ndef gate():\n    assert Path('go').exists()\n")
    project.recipe("""
        ctx: {greeting: hello}
        steps:
          - {idx: 1, name: create_screen_for_dash, type: shell, cmd: scriptlets/shell/screen_script.sh,
             args: [-r, dash_screen], stdout_to_ctx: screen_create_log, shell_env_keys: [greeting]}
          - {idx: 2, name: gate, module: BODY, function: gate}
          - {idx: 3, name: run_dash_app, type: shell, cmd: scriptlets/shell/screen_script.sh,
             args: [-s, dash_screen, 'echo "$CTX_greeting" "$((40 + 2))" > out']}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.ctx["screen_create_log"].startswith("session dash_screen started")
    (screen.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert "hello 42" in screen.until("out", "42") and names(screen) == ["dash_screen"]
    assert project.run(restart=True).status == "COMPLETE_ERROR"
    assert "exit code 1" in project.steps["create_screen_for_dash"]["error"]["message"]
