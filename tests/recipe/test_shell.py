"""Programs as steps: what is run, with what around it, and what becomes of the output."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from octo.shared_names import shell_steps

from .runs import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "p")


def program(project: Project, name: str, says: str) -> None:
    path = project.write(name, f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)


def failed(project: Project) -> str:
    result = project.run()
    assert result.status == "COMPLETE_ERROR"
    message = project.steps["a"]["error"]["message"]
    assert isinstance(message, str)
    return message


# -- the program -----------------------------------------------------------------------------------


def test_a_program_with_a_slash_is_looked_for_below_three_folders(project: Project) -> None:
    program(project, "bin/one", "working directory")
    program(project, "sub/bin/one", "recipe")
    program(project, "sub/bin/two", "recipe")
    project.recipe("""
        steps:
          - {name: a, cmd: bin/one, stdout_to_ctx: one}
          - {name: b, cmd: ./bin/two, stdout_to_ctx: two}
    """, "sub/r.yaml")
    assert project.run("sub/r.yaml").status == "COMPLETE_SUCCESS"
    assert project.ctx == {"one": "working directory\n", "two": "recipe\n"}


def test_a_program_that_is_nowhere_is_told_with_where_it_was_looked_for(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, cmd: '{{ \"bin/no\" }}'}\n")
    message = failed(project)
    assert "bin/no" in message and str(project.folder) in message


def test_a_program_without_a_slash_is_on_path_and_python_is_the_running_one(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, cmd: python, args: [-c, "import sys; print(sys.prefix)"], stdout_to_ctx: prefix}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["prefix"].strip() == sys.prefix


def test_one_that_is_not_on_path_is_told(project: Project) -> None:
    program(project, "mine", "x")
    project.recipe("steps:\n  - {name: a, cmd: mine}\n")
    assert "mine" in failed(project)


def test_a_blank_in_the_rendered_program_is_a_mistake(project: Project) -> None:
    project.recipe("""
        ctx: {line: ls -l}
        steps:
          - {name: a, cmd: "{{ ctx.line }}"}
    """)
    message = failed(project)
    assert "command line" in message and "args" in message


@pytest.mark.parametrize("cmd", ["./my tool", "my tool"])
def test_unless_a_file_of_that_name_is_there(project: Project, cmd: str) -> None:
    program(project, "my tool", "blank")
    project.recipe(f"""
        ctx: {{cmd: "{cmd}"}}
        steps:
          - {{name: a, cmd: "{{{{ ctx.cmd }}}}", stdout_to_ctx: out}}
          - {{name: b, cmd: "{cmd}", stdout_to_ctx: out2}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error and result.error["message"]
    assert project.ctx["out"] == project.ctx["out2"] == "blank\n"


def test_lists_and_mappings_reach_a_program_as_json(project: Project) -> None:
    project.recipe("""
        ctx: {rows: [1, "a", null, {deep: true}]}
        steps:
          - {name: a, cmd: sh, args: [-c, 'echo "$0" "$ROWS"', "{{ ctx.rows }}"], env: {ROWS: "{{ ctx.rows }}"},
             stdout_to_ctx: out}
    """)
    project.run()
    text = '[1, "a", null, {"deep": true}]'
    assert project.ctx["out"] == f"{text} {text}\n"


@pytest.mark.parametrize("cmd", ["./tool", "./my tool", "my tool"])
def test_a_program_in_the_steps_own_directory_is_found(project: Project, cmd: str) -> None:
    program(project, f"sub/{cmd.removeprefix('./')}", "below")
    project.recipe(f"""
        steps:
          - {{name: a, cmd: "{cmd}", cwd: "{{{{ 'sub' }}}}", stdout_to_ctx: out}}
          - {{name: b, cmd: "{cmd}", cwd: sub, stdout_to_ctx: out2}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error and result.error["message"]
    assert project.ctx == {"out": "below\n", "out2": "below\n"}


def test_one_that_may_not_be_run_is_told(project: Project) -> None:
    project.write("tool", "#!/bin/sh\n")
    project.recipe("steps:\n  - {name: a, cmd: ./tool}\n")
    assert "tool" in failed(project)


def test_no_shell_is_between(project: Project) -> None:
    project.recipe("""
        ctx: {mean: "$(touch hacked) `x` ; 'a' \\"b\\" *"}
        steps:
          - {name: a, cmd: printf, args: ["%s|", "$HOME", "{{ ctx.mean }}", 007, 1e3, true, ""], stdout_to_ctx: out}
    """)
    project.run()
    assert project.ctx["out"] == f"$HOME|{project.ctx['mean']}|007|1e3|true||"
    assert not (project.folder / "hacked").exists()


# -- around it -------------------------------------------------------------------------------------


def test_the_environment(project: Project) -> None:
    project.recipe("""
        ctx: {number: 3, rows: [1, {a: b}], text: "x y"}
        steps:
          - name: a
            cmd: python
            args: [-c, "import json, os; print(json.dumps(dict(os.environ)))"]
            env: {MINE: "{{ ctx.number }}", PLAIN: 007}
            shell_env_keys: [number, rows, text, absent]
            stdout_to_ctx: out
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    seen = json.loads(project.ctx["out"])
    assert (seen["MINE"], seen["PLAIN"]) == ("3", "007")
    assert (seen["CTX_number"], seen["CTX_rows"], seen["CTX_text"]) == ("3", '[1, {"a": "b"}]', "x y")
    assert "CTX_absent" not in seen and seen["HOME"] == os.environ["HOME"]


@pytest.mark.parametrize(("size", "fits"), [((128 << 10) - 32, True), ((128 << 10) + 1, False)])
def test_a_value_too_large_for_the_environment_names_its_key(project: Project, size: int, fits: bool) -> None:
    project.recipe("steps:\n  - {name: a, cmd: sh, args: [-c, 'printenv CTX_large | wc -c'], shell_env_keys: large,"
                   " stdout_to_ctx: out}\n")
    result = project.run(values={"large": "x" * size})
    if fits:
        assert project.ctx["out"].strip() == str(size + 1)
    else:
        assert result.error is not None and "large" in result.error["message"] and "128" in result.error["message"]


def test_working_directory_and_input(project: Project) -> None:
    project.write("sub/in.txt", "hello")
    project.recipe("""
        ctx: {dir: sub}
        steps:
          - {name: a, cmd: pwd, cwd: "{{ ctx.dir }}", stdout_to_ctx: dir}
          - {name: b, cmd: cat, stdin_file: "sub/{{ 'in' }}.txt", stdout_to_ctx: text}
          - {name: c, cmd: cat, stdout_to_ctx: nothing}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx == {"dir": f"{project.folder}/sub\n", "text": "hello", "nothing": ""}


@pytest.mark.parametrize(("field", "value"), [("cwd", "nowhere"), ("stdin_file", "nothing.txt")])
def test_what_is_not_there_is_told(project: Project, field: str, value: str) -> None:
    project.recipe(f"steps:\n  - {{name: a, cmd: cat, {field}: {value}}}\n")
    assert value in failed(project)


def test_a_program_writes_ctx_in_the_name_of_its_step(project: Project) -> None:
    project.recipe(f"""
        steps:
          - name: a
            cmd: python
            args: [-c, "from octo import Context; Context.open('{project.instance}')['x'] = 1"]
          - name: b
            cmd: python
            args: [-c, "import sys; from octo import Context; Context.open('{project.instance}')['y'] = 1; sys.exit(1)"]
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.steps["a"]["status"] == "DONE" and project.ctx == {"x": 1}
    assert [entry["who"] for entry in project.edit().get_history("x")] == ["a"]


# -- its output and its end ------------------------------------------------------------------------


def test_output_goes_to_the_log_line_by_line_and_to_ctx_as_text(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, cmd: sh, args: [-c, "echo one; echo two >&2; printf 'bad \\\\377 end'"], stdout_to_ctx: out}
    """)
    result = project.run()
    log = project.log(result.run_id)
    assert "a: one" in log and "a: two" in log
    assert project.ctx["out"] == "one\nbad \ufffd end"


@pytest.mark.slow
def test_at_most_16_mib_of_output_are_kept(project: Project) -> None:
    project.recipe("""
        steps:
          - name: a
            cmd: python
            args: [-c, "import sys; sys.stdout.write(('x' * 99 + chr(10)) * 180000)"]
            stdout_to_ctx: out
    """)
    result = project.run()
    message = (result.error or {}).get("message", "")
    assert "out" not in project.ctx or len(project.ctx["out"]) <= 16 << 20
    assert "16 MiB" in message or "16 MiB" in project.log(result.run_id)[-2000:]


def test_exit_codes(project: Project) -> None:
    project.recipe("""
        keep_going: true
        steps:
          - {name: a, cmd: sh, args: [-c, "exit 3"]}
          - {name: b, cmd: sh, args: [-c, "exit 3"], success: {exit_codes: [0, 3]}}
          - {name: c, cmd: "true", success: {exit_codes: 3}}
          - {name: d, cmd: "true", success: {ctx_has_keys: nothing}}
          - {name: e, cmd: sh, args: [-c, "kill -9 $$"]}
    """)
    project.run()
    assert project.status() == {"a": "FAILED", "b": "DONE", "c": "FAILED", "d": "FAILED", "e": "FAILED"}
    assert "3" in project.steps["a"]["error"]["message"] and "SIGKILL" in project.steps["e"]["error"]["message"]
    assert project.steps["b"]["result"] == {"exit_code": 3}


def test_usage_is_that_of_the_program(project: Project) -> None:
    code = "import time; x = bytearray(50_000_000); time.sleep(0.3)"
    project.recipe(f"steps:\n  - {{name: a, cmd: python, args: [-c, '{code}']}}\n")
    project.run()
    usage = project.steps["a"]["usage"]
    assert usage["rss"] > 45_000_000 and usage["cpu"] > 0 and not usage.get("shared")


def test_a_program_that_fails_has_its_usage_too(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, cmd: python, args: [-c, 'import time; x = bytearray(50_000_000); time.sleep(0.3); exit(3)']}
    """)
    project.run()
    assert project.status() == {"a": "FAILED"} and project.steps["a"]["usage"]["rss"] > 45_000_000


def test_a_time_out_ends_the_whole_group(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, cmd: sh, args: [-c, "sleep 60 & echo $! > pid; wait"], timeout: 0.5}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.steps["a"]["error"]["type"] == "StepTimeout"
    pid = int((project.folder / "pid").read_text())
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the program's own child still runs"
        time.sleep(0.05)


def test_what_failed_left_nothing_in_ctx(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, cmd: sh, args: [-c, 'echo x; exit 1'], stdout_to_ctx: out}\n")
    project.run()
    assert "out" not in project.ctx


# -- the library's programs --------------------------------------------------------------------------


def echo_env(project: Project, cmd: str = "scriptlets/shell/ctx_env_echo.sh") -> str:
    project.recipe(f"steps:\n  - {{name: a, cmd: {cmd}, stdout_to_ctx: out}}\n")
    assert project.run(restart=True).status == "COMPLETE_SUCCESS"
    return str(project.ctx["out"])


@pytest.mark.parametrize("cmd", ["scriptlets/shell/ctx_env_echo.sh", "./scriptlets/shell/ctx_env_echo.py",
                                 "orchestrator/scriptlets/shell/ctx_env_echo.py"])
def test_a_documented_path_is_the_librarys_program(project: Project, cmd: str) -> None:
    assert echo_env(project, cmd) == "CTX ENV VARS:\n"


def test_without_the_mark_of_a_program_it_runs_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a wheel may leave it."""
    unmarked = project.write("library/ctx_env_echo.sh", Path(shell_steps()["ctx_env_echo"]).read_text(encoding="utf-8"))
    unmarked.chmod(0o644)
    monkeypatch.setattr("octo.shared_names.shell_steps", lambda: {"ctx_env_echo": str(unmarked)})
    assert echo_env(project) == "CTX ENV VARS:\n"


def test_a_program_of_the_users_under_that_path_wins(project: Project) -> None:
    program(project, "scriptlets/shell/ctx_env_echo.sh", "mine")
    assert echo_env(project) == "mine\n"


def test_the_nearest_of_them_is_told(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, cmd: scriptlets/shell/ctx_env_ecko.sh}\n")
    assert "did you mean scriptlets/shell/ctx_env_echo.sh?" in failed(project)
