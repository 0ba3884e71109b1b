"""`list`, `show`, `graph`, `init`: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).parent / "library"


def test_list_libraries(octo: Any, tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "step_node_a.py").write_text("")
    listed = octo("list", "libraries", "--json").json
    assert listed[0] == {"library": "near", "modules": ["step_node_a"]}
    assert any(each["library"].endswith("machine_check") for each in listed), "the installed ones are missing"
    assert octo("list", "libraries", LIBRARY, "--json").json[0]["modules"] == [
        "step_node_count", "step_node_judge", "step_node_start"
    ]  # fmt: skip
    result = octo("list", "libraries")
    assert "near" in result.out and result.next == ["octo init my_run --library near"]


def test_list_steps(octo: Any, it: str) -> None:
    for where in (LIBRARY, it, LIBRARY.parent):
        listed = octo("list", "steps", where, "--json").json
        assert [each["step"] for each in listed] == ["step_node_count", "step_node_judge", "step_node_start"]
        assert listed[0]["does"] == "Count one up, as often as the parameter says."
    assert "Fail if the parameter says so." in octo("list", "steps", LIBRARY).out


def test_what_is_no_step_but_for_code_has_its_page(octo: Any) -> None:
    listed = {each["step"]: each for each in octo("list", "steps", "files", "--json").json}
    assert "import FileLockAcquisitionError, Held, file_lock" in listed["ctx_file_lock"]["code"]
    assert "ctx_file_lock" in octo("list", "steps").out
    shown = octo("show", "ctx_file_lock")
    assert shown.code == 0 and "it is no step" in shown.out
    assert "file_lock(path, timeout=60.0, *, ctx=None, reason=None)" in shown.out
    assert list(octo("show", "ctx_file_lock", "--json").json[0]["parts"])[1].startswith("filelock_step(path")


def test_a_wrong_library_does_not_hide_the_others(octo: Any, tmp_path: Path) -> None:
    for name, text in (("good", "class step_node_x:\n    def step_execute(self): pass\n"), ("wrong", "1/0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "step_node_x.py").write_text(text)
    result = octo("list", "steps", ".")
    assert (
        "step_node_x" in result.out
        and "wrong cannot be loaded" in result.err
        and "ZeroDivisionError" in result.err
    )


def test_list_instances(octo: Any, it: str, tmp_path: Path) -> None:
    octo("fork", it, "instances/deep/other")
    octo("run", it, "--quiet")
    assert octo("list", "instances", "--json").json == [
        {"instance": "instances/deep/other", "state": "INACTIVE", "node": ""},
        {"instance": "it", "state": "COMPLETE_SUCCESS", "node": "step_node_judge"},
    ]
    assert "octo status" in octo("list", "instances").next[0]
    (tmp_path / "empty").mkdir()
    assert octo("list", "instances", "empty").out.startswith("no instances here")


def test_show(octo: Any) -> None:
    shown = octo("show", "step_node_count", "--library", LIBRARY).out
    for part in (
        "Count one up, as often as the parameter says.",
        "step_execute  Add 1 and a row.",
        "again    to step_node_count",
        "rounds   3",
        "step_node_count.py:",
    ):
        assert part in shown, part
    data = octo("show", "step_node_start", "-l", LIBRARY, "--json").json[0]
    assert data["flags"] == {"first": True} and data["arrows"]["begin"]["target"] == "step_node_count"
    assert data["methods"]["step_execute"] == "Begin at 0."


def test_graph(octo: Any, it: str, tmp_path: Path) -> None:
    assert octo("graph", it).out == "it/Assets/graph.png\n"
    assert (tmp_path / "it/Assets/graph.png").read_bytes().startswith(b"\x89PNG")
    assert octo("graph", LIBRARY).out == "graph.png\n"
    assert (
        octo("graph", it, "-o", "now.svg").out == "now.svg\n" and "<svg" in (tmp_path / "now.svg").read_text()
    )
    assert octo("graph", LIBRARY, "-o", "x.dot", "--json").json == {"picture": "x.dot"}
    assert "step_node_count" in (tmp_path / "x.dot").read_text()


def test_init(octo: Any, tmp_path: Path) -> None:
    result = octo("init", "a/new one", "--library", LIBRARY)
    assert result.next[0] == "octo run 'a/new one'"
    octo("run", "a/new one", "--quiet")
    assert octo("init", "by_name", "--library", "machine_check", "--json").json["directory"] == "by_name"
    assert "machine_check" in octo("params", "by_name", "global_parameters", "step_engine_library_path").out


def test_a_name_with_a_line_break_stays_one_row(octo: Any) -> None:
    octo("init", "two\nlines", "--library", LIBRARY)
    shown = octo("list", "instances").out.partition("next:")[0].splitlines()
    assert len(shown) == 2 and shown[1].startswith("two\\nlines  ")


def test_programs_for_shell_steps(octo: Any) -> None:
    listed = octo("list", "steps", "shell", "--json").json
    assert [each["step"] for each in listed] == ["ctx_env_echo", "ctx_shell_helper", "screen_script"]
    assert listed[2]["cmd"] == "scriptlets/shell/screen_script.sh" and listed[2]["does"].endswith(".")
    assert "GNU screen sessions by name" in octo("list", "steps", "shell").out
    assert "screen_script" in octo("list", "steps").out
    shown = octo("show", "screen_script").out
    assert "-s NAME COMMAND" in shown and "cmd: scriptlets/shell/screen_script.sh" in shown
    assert octo("show", "screen_script", "--json").json == [listed[2]]
    assert "did you mean screen_script?" in octo("show", "screen_scrip", code=2).err
    assert "program for shell steps" in octo("exec", "screen_script", code=2).err
