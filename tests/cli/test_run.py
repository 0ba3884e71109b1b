"""`run`, `step`, `break`, `reset`, `logs`, `recover`: what a run prints and how the command ends."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

NODE = "step_node_count"


def test_a_run_that_completes(octo: Any, it: str) -> None:
    result = octo("run", it)
    for line in (
        "ready to count\n",
        "judged\n",
        "✓ step_node_start",
        "✓ step_node_count #3",
        "✓ step_node_judge",
    ):
        assert line in result.out
    assert "done: 5 steps in " in result.out
    log = next(line.split()[1] for line in result.out.splitlines() if line.startswith("log "))
    assert "judged" in Path(log).read_text()
    assert Path(
        next(line.split()[1] for line in result.out.splitlines() if line.startswith("picture "))
    ).exists()
    assert result.err == ""
    table = result.out[result.out.index("node  ") :].split("\n\n")[0].splitlines()
    assert {line.split()[0]: line.split()[1] for line in table[1:]} == {
        "step_node_start": "1", NODE: "3", "step_node_judge": "1"
    }  # fmt: skip


def test_a_finished_instance_names_reset_and_fork(octo: Any, it: str) -> None:
    octo("run", it)
    result = octo("run", it)
    assert "it is complete since " in result.out and "nothing to run" in result.out
    assert "octo reset it" in result.next
    fork = next(command for command in result.next if command.startswith("octo fork it it-2 --at "))
    octo(*fork.split()[1:])
    octo("reset", it)
    assert "done: 5 steps" in octo("run", it).out


def test_a_run_that_fails_and_carries_on(octo: Any, it: str) -> None:
    octo("params", it, "step_node_judge", "fail", "true")
    result = octo("run", it, code=1)
    assert "✗ step_node_judge          ValueError: told to fail" in result.out
    assert result.err.startswith("octo: failed: ValueError in step_node_judge (EXECUTE): told to fail\n")
    assert "what it had changed in ctx was undone: verdict\n" in result.err
    assert "Traceback" not in result.err
    assert result.next[-1] == "octo run it" and "octo logs it" in result.next
    for command in result.next[:-1]:
        octo(*command.split()[1:])
    octo("params", it, "step_node_judge", "fail", "false")
    result = octo("run", it)
    assert "step_node_judge          the run goes on here (EXECUTE)" in result.out
    assert "done: 1 step in " in result.out


@pytest.mark.slow
def test_a_breakpoint(octo: Any, it: str) -> None:
    assert octo("break", it).out.startswith("no breakpoints\n")
    assert octo("break", it, NODE).out == f"{NODE}: breakpoint at entry\n"
    assert octo("break", it, NODE, "--exit").out == f"{NODE}: breakpoint at entry and exit\n"
    assert octo("break", it, "--json").json[NODE] == {"entry": True, "exit": True}
    result = octo("run", it, code=3)
    assert f"octo: paused at {NODE}: breakpoint at entry" in result.err
    assert result.next[0] == "octo run it" and f"octo break it {NODE} --clear" in result.next
    assert "breakpoint at exit" in octo("run", it, "--quiet", code=3).err
    for command in result.next[2:]:
        octo(*command.split()[1:])
    assert octo("break", it).out.startswith("no breakpoints\n")
    octo("run", it)


def test_single_steps(octo: Any, it: str) -> None:
    result = octo("step", it)
    assert "✓ step_node_start" in result.out and NODE not in result.out.split("paused")[0]
    assert "octo step it" in result.next
    octo("step", it, "--steps", 2)
    assert octo("ctx", it, "get", "n").out == "2\n"
    assert octo("step", it, "-n", 100, "--json").json["status"] == "COMPLETE_SUCCESS"


def test_a_limit(octo: Any, it: str) -> None:
    octo("params", it, "global_parameters", "run_step_limit", 2)
    result = octo("run", it, code=3)
    assert "limit" in result.err
    for command in result.next[2:]:
        octo(*command.split()[1:])  # takes the limit away
    octo("run", it)


def test_quiet_prints_errors_and_pauses_only(octo: Any, it: str) -> None:
    octo("break", it, NODE)
    result = octo("run", it, "--quiet", code=3)
    assert result.out == "" and "paused at" in result.err
    octo("break", it, NODE, "--clear")
    result = octo("run", it, "--quiet")
    assert result.out == "" and result.err == ""
    assert "judged" in octo("logs", it).out


@pytest.mark.slow
def test_programs_that_steps_start_print_there_too(octo: Any, start: Any, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "step_node_sub.py").write_text(
        "import os\n"
        "class step_node_sub:\n    def step_execute(self):\n        return os.system('echo from a program')\n"
    )
    octo("init", "it", "--library", "lib")
    out, err = start("run", "it", "--json").communicate(timeout=30)
    assert json.loads(out)["steps"] == 1 and "from a program" in err
    octo("reset", "it")
    assert start("run", "it", "--quiet").communicate(timeout=30) == ("", "")
    octo("reset", "it")
    assert "from a program" in start("run", "it").communicate(timeout=30)[0]


def test_json_keeps_what_steps_print_out_of_the_result(it: str, start: Any, tmp_path: Path) -> None:
    process = start("run", it, "--json")
    out, err = process.communicate(timeout=30)
    result = json.loads(out)
    assert "judged" in err and process.returncode == 0
    assert (result["status"], result["steps"], result["exit_code"]) == ("COMPLETE_SUCCESS", 5, 0)
    assert result["timings"][NODE]["count"] == 3 and (tmp_path / result["log"]).exists()


def test_a_reader_that_goes_away_does_not_stop_the_run(octo: Any, it: str, start: Any) -> None:
    octo("params", it, NODE, "rounds", 60)
    octo("params", it, "step_node_judge", "fail", "true")
    process = start("run", it)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == 1
    assert process.stderr.read().startswith("octo: failed: ValueError")
    process.stderr.close()
    history = start("history", it, "--all", "--limit", "0")
    history.stdout.readline()
    history.stdout.close()
    assert (history.wait(timeout=20), history.stderr.read()) == (0, "")
    history.stderr.close()


def test_json_of_a_failure_and_of_a_pause(octo: Any, it: str) -> None:
    octo("break", it, NODE)
    paused = octo("run", it, "--json", code=3).json
    assert paused["status"] == "PAUSED" and paused["node"] == NODE and "octo run it" in paused["next"]
    octo("break", it, NODE, "--clear")
    octo("params", it, "step_node_judge", "fail", "true")
    typed = octo("run", it, "--json", code=1)
    assert typed.json["error"]["type"] == "ValueError" and typed.json["exit_code"] == 1
    assert f"log: {typed.json['log']}\n" in typed.err


def wait_for(condition: Any, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def slow(octo: Any, it: str, rounds: int = 200) -> None:
    octo("params", it, NODE, "rounds", rounds)
    octo("params", it, NODE, "seconds", 0.05)


def test_ctrl_c_pauses(octo: Any, it: str, start: Any) -> None:
    slow(octo, it)
    process = start("run", it)
    wait_for(lambda: octo("status", it, "--json").json["visit"] > 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "paused" in err and "octo run it" in err and "Traceback" not in err
    octo("params", it, NODE, "rounds", 1)
    octo("run", it)


def test_a_second_engine_is_refused_and_reset_too(octo: Any, it: str, start: Any) -> None:
    slow(octo, it)
    process = start("run", it)
    wait_for(lambda: (octo("status", it, "--json").json["owner"] or {}).get("pid"))  # it has said who it is
    for command in ("run", "step", "reset", "recover"):
        result = octo(command, it, code=2)
        assert f"process {process.pid} on" in result.err
        assert "octo status it --watch" in result.next
    octo("params", it, NODE, "rounds", 1)  # a running instance may be changed
    octo("ctx", it, "set", "note", "hello")
    assert process.wait(timeout=20) == 0
    assert octo("ctx", it, "get", "note").out == "hello\n"
    process.communicate()


def test_a_killed_run_is_shown_as_interrupted(octo: Any, it: str, start: Any) -> None:
    slow(octo, it)
    process = start("run", it)
    wait_for(lambda: octo("status", it, "--json").json["visit"] > 2)
    process.kill()
    process.communicate()
    status = octo("status", it)
    assert "interrupted at step_node_count" in status.out and "octo run it" in status.next
    assert octo("status", it, "--json").json["interrupted"] is True
    assert ("it", "interrupted") in [
        tuple(line.split()[:2]) for line in octo("list", "instances").out.splitlines()
    ]
    octo("params", it, NODE, "rounds", 1)
    octo("run", it)


@pytest.mark.slow
def test_logs(octo: Any, it: str, start: Any) -> None:
    slow(octo, it, 20)
    octo("params", it, NODE, "say", "one more\n")
    process = start("run", it, "--quiet")
    wait_for(lambda: list(Path(it, "Logs").glob("*.log")))
    following = start("logs", it, "-f")
    out, _ = following.communicate(timeout=20)
    assert process.wait(timeout=5) == 0 and following.returncode == 0
    process.communicate()
    assert out.count("one more") == 20 and "judged" in out
    assert octo("logs", it).out == out
    assert octo("logs", it, "-n", 2).out == "".join(out.splitlines(keepends=True)[-2:])
    assert octo("logs", it, "-f").out == out  # nothing runs: it ends at once


def test_recover(octo: Any, it: str, tmp_path: Path) -> None:
    octo("run", it, "--quiet")
    assert "nothing to recover" in octo("recover", it).out
    journal = tmp_path / it / ".octo_step_engine_parameters.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[-5] = lines[-5][:10] + b"x" + lines[-5][11:]
    journal.write_bytes(b"".join(lines))
    (tmp_path / it / ".octo_step_engine_parameters.json").write_text("{")
    assert "octo recover" in octo("status", it, code=None).err
    recovered = octo("recover", it)
    assert "is back, from the journal" in recovered.out and "octo run it" in recovered.next
    octo("status", it)


def test_strict_refuses_changed_code(octo: Any, it: str, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(Path(__file__).parent / "library", tmp_path / "lib")
    octo("init", "own", "--library", "lib")
    octo("step", "own", "--steps", 2)
    node = tmp_path / "lib" / "step_node_count.py"
    node.write_text(node.read_text() + "\n# changed\n")
    assert NODE in octo("run", "own", "--strict", code=2).err
    octo("run", "own")


def test_verbose_is_given_to_the_nodes(octo: Any, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "step_node_talk.py").write_text(
        "class step_node_talk:\n"
        "    def __init__(self, name, verbose_flag=False):\n        self.verbose_flag = verbose_flag\n"
        "    def step_execute(self):\n        print('talkative' if self.verbose_flag else 'silent')\n"
    )
    octo("init", "it", "--library", "lib")
    assert "silent\n" in octo("run", "it").out
    octo("reset", "it")
    assert "talkative\n" in octo("run", "it", "--verbose").out


def test_reset_says_what_it_did(octo: Any, it: str) -> None:
    octo("run", it, "--quiet")
    octo("params", it, NODE, "rounds", 2)
    result = octo("reset", it)
    assert "it is as new" in result.out and "octo run it" in result.next
    assert octo("ctx", it, "get").json == {}
    assert octo("params", it, NODE, "rounds").out == "2\n"
    assert octo("status", it, "--json").json["state"] == "INACTIVE"


@pytest.mark.parametrize("command", ["run", "step"])
def test_an_instance_without_a_library(octo: Any, tmp_path: Path, command: str) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / ".octo_step_engine_parameters.json").write_text("{}")
    assert "library" in octo(command, "bare", code=2).err
