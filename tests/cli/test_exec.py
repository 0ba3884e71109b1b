"""octo exec, and what octo list and octo show say of ready-made steps."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from octo.cli.ready_steps import ready_steps
from octo.cli.step_pages import steps_page

ROWS = {"rows": [[1, 2, 3], [4, 5, 6]], "name": "probe", "other": [1]}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "in put.json"
    path.write_text(json.dumps(ROWS))
    return path


def test_a_step_alone(octo: Any, rows: Path) -> None:
    result = octo("exec", "--ctx-file", rows, "ctx_stats", "--key", "rows", "--out", "stats", "--columns", "0,2")
    assert json.loads(result.out.partition("ctx stats: ")[0]) == {"result": {"stats": "stats"}}
    assert json.loads(result.out.partition("ctx stats: ")[2])["mean"] == [2.5, 4.5]
    assert json.loads(rows.read_text()) == ROWS


@pytest.mark.parametrize("columns", [["0,2"], ["0", "2"], ["[0, 2]"], ["-3", "-1"]])
def test_a_list_is_typed_as_one_likes(octo: Any, rows: Path, columns: list[str]) -> None:
    typed = ["--key", "rows", "--columns", *columns, "--stats", "sum", "--out", "s"]
    assert octo("exec", "--ctx-file", rows, "--json", "ctx_stats", *typed).json["ctx"] == {"s": {"sum": [5.0, 9.0]}}


@pytest.mark.parametrize(("typed", "drops"), [(["--drop_none"], True), (["--drop-none", "true"], True),
                                            (["--drop-none=false"], False), ([], False)])
def test_a_bool_may_stand_alone(octo: Any, rows: Path, typed: list[str], drops: bool) -> None:
    call = ["ctx_map", *typed, "--key", "rows", "--expr", "row if row[0] > 1 else None", "--out", "out"]
    found = octo("exec", "--ctx-file", rows, "--json", *call).json["ctx"]["out"]
    assert found == ([[4, 5, 6]] if drops else [None, [4, 5, 6]])


def test_as_json_and_into_a_file(octo: Any, rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.json"
    told = octo("exec", "--ctx-file", rows, "--ctx-out", out, "--json", "ctx_filter", "--type", "list").json
    assert told == {"result": {"filtered": "filtered_keys"}, "ctx": {"filtered_keys": ["rows", "other"]}, "deleted": []}
    assert json.loads(out.read_text()) == {**ROWS, "filtered_keys": ["rows", "other"]}
    assert octo("exec", "ctx_filter", "--ctx-file", out, "--ctx-out", "-").json == json.loads(out.read_text()) | {
        "filtered_keys": ["rows", "name", "other"]}
    assert [path.name for path in out.parent.iterdir()] == ["out.json"]


def test_jobs_that_it_leaves_behind_are_waited_for(octo: Any) -> None:
    told = octo("exec", "--json", "ctx_bg_job", "--job_id", "j", "--fn", "math:hypot", "--args", "{}").json
    assert told["ctx"]["jobs"]["j"]["result"] == 0.0


@pytest.mark.parametrize(("typed", "words"), [
    ("ctx_stat --key a", "no step and no module 'ctx_stat'"),
    ("ctx_stat --key a", "did you mean ctx_stats?"),
    ("ctx_stats --key rows", "parameter 'out' is missing: key of ctx for the statistics"),
    ("ctx_stats --kee rows", "--kee"),
    ("ctx_stats --key rowz --out s", "ctx has no key 'rowz'; did you mean rows?"),
    ("ctx_stats --key rows --out s --missing skip", "one of 'propagate'"),
    ("ctx_stats --key rows --out s --stats 3", "'stats' is to be list[str]"),
    ("--ctx-out /dev/null/o.json ctx_stats --key rows --out s", "o.json cannot be written: "),
    ("json:dumps --obj 3", "json:dumps does not say which parameters it takes"),
])
def test_mistakes(octo: Any, rows: Path, typed: str, words: str) -> None:
    result = octo("exec", "--ctx-file", rows, *typed.split(), code=None)
    assert result.code in (1, 2) and words in result.err and "Traceback" not in result.err


@pytest.mark.parametrize(("text", "words"), [
    ("[1]", "ctx is a JSON object, not list"), ("{", "is no JSON"), (None, "cannot be read: No such file")])
def test_a_file_that_is_no_ctx(octo: Any, tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "ctx.json"
    if text is not None:
        path.write_text(text)
    assert words in octo("exec", "--ctx-file", path, "ctx_filter", code=2).err


def test_what_a_function_raises(octo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_exec.py").write_text(
        "def gain(row):\n    return ratio(row)\ndef ratio(row):\n    return row[0] / 0\n"
        "def load(row):\n    raise FileNotFoundError(2, 'No such file', 'here.txt')\n"
        "def bare(row):\n    raise RuntimeError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    ctx = tmp_path / "ctx.json"
    ctx.write_text('{"rows": [[1]], "numbers": [-1]}')

    def told(fn: str, *before: str, key: str = "rows") -> str:
        typed = ["exec", "--ctx-file", ctx, "ctx_map", "--fn", fn, "--key", key, "--out", "o"]
        return str(octo(*before, *typed, code=1).err)

    said = "octo: ctx_map: gain (mine_exec.py, line 2) raised ZeroDivisionError: division by zero; --debug shows"
    assert told("mine_exec:gain").startswith(said) and "in ratio" not in told("mine_exec:gain")
    assert said in told("mine_exec:gain", "--debug") and "in ratio" in told("mine_exec:gain", "--debug")
    assert "load (mine_exec.py, line 6) raised FileNotFoundError: [Errno 2] No such file" in told("mine_exec:load")
    assert "bare (mine_exec.py, line 8) raised RuntimeError;" in told("mine_exec:bare")
    assert told("math:sqrt", key="numbers").startswith("octo: ctx_map raised ValueError: math domain error;")


def test_help_has_examples_and_the_parameters(octo: Any) -> None:
    assert "octo exec ctx_stats --help" in octo("exec", "--help").out
    told = octo("exec", "ctx_stats", "--help").out
    assert "--columns, --select" in told and "(propagate | ignore" in told and "(required)" in told


def test_what_is_required_of_several_parameters_is_told(octo: Any, tmp_path: Path) -> None:
    for told in (octo("exec", "ctx_map", "--help").out, octo("show", "ctx_map").out):
        assert "One of these is required: fn, expr." in told
    told = " ".join(octo("exec", "file_to_ctx", "--help").out.split())
    assert "(required where merge is false)" in told
    assert "At least one of these is required: keys, init, schema." in octo("exec", "ctx_init", "--help").out
    assert octo("list", "steps", "--json", "data").json[4]["rules"] == ["One of these is required: fn, expr."]
    recipe = tmp_path / "r.yaml"
    recipe.write_text("steps:\n"
                      "- {name: a, function: ctx_map, params: {key: rows}}\n"
                      "- {name: b, function: ctx_init}\n"
                      "- {name: c, function: ctx_checkpoint, params: {action: save}}\n"
                      "- {name: d, function: ctx_rollback, params: {snapshot: a.json, checkpoint: a}}\n"
                      "- {name: e, function: file_to_ctx, params: {path: a.json}}\n"
                      "- {name: f, function: ctx_sqlite, params: {db: a.db, action: insert, table: t}}\n"
                      "- {name: g, function: ctx_merge, params: {out: o, key1: a}}\n"
                      "- {name: h, function: ctx_indexer, params: {key: a, index_by: '{{ x }}', index_by_pos: 1}}\n"
                      "- {name: i, function: ctx_assert, params: {key: a}}\n"
                      "- {name: j, function: ctx_history, params: {key: a, action: prune}}\n")
    told = octo("validate", recipe, code=2).err
    for words in ("r.yaml:2: step \"a\": parameter 'fn' is missing", "step \"b\": parameter 'keys' is missing",
                  "(action 'save' needs it)", "'snapshot' and 'checkpoint' are two ways", "(merge False needs it)",
                  "step \"f\": parameter 'key' is missing", "parameter 'key2' is missing", "'expected' is missing",
                  "'maxlen' is missing"):
        assert words in told, told
    for name in ("ctx_map", "ctx_init", "file_to_ctx", "ctx_merge"):  # new recipes are valid as they stand
        octo("recipe", "new", f"new_{name}", "--from", name)
        octo("validate", f"new_{name}.yaml")


def test_a_flag_may_stand_alone(octo: Any, tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text('{"rows": [[1, 2], [3, 5]], "password": "x"}')
    front = ("exec", "--ctx-file", rows, "--json")
    scaled = {"r": [[-1.0, -1.0], [1.0, 1.0]]}
    step = ("ctx_transform_timeseries", "--key", "rows")
    assert octo(*front, *step, "--normalize", "--out", "r").json["ctx"] == scaled
    assert octo(*front, *step, "--out", "r", "--normalize").json["ctx"] == scaled
    assert octo(*front, *step, "--out", "r", "--normalize", "false").json["ctx"] == {"r": [[1, 2], [3, 5]]}
    assert "**" in octo("exec", "--ctx-file", rows, "ctx_print", "--mask").out
    assert "is to be bool, not 'maybe'" in octo(*front, *step, "--out", "r", "--normalize", "maybe", code=2).err
    assert "--normalize [true|false]" in octo("exec", step[0], "--help").out


def test_they_are_listed_and_shown(octo: Any) -> None:
    listed = octo("list", "steps", "data")
    assert "ctx_stats" in listed.out and "ctx_bg_job" not in listed.out
    assert listed.next[0].startswith("octo show ctx_")
    steps = {row["step"]: row for row in octo("list", "steps", "--json").json}
    assert steps["ctx_bg_job"]["library"] == "control" and steps["ctx_bg_job"]["params"]["fn"]["required"]
    shown = octo("show", "ctx_stats")
    assert "select" in json.dumps(octo("show", "ctx_stats", "--json").json)
    assert "Statistics of the columns" in shown.out and shown.next == ["octo exec ctx_stats --help"]
    assert "did you mean ctx_stats?" in octo("show", "ctx_statz", code=2).err


def test_many_parameters_are_shown_by_what_they_are_for(octo: Any) -> None:
    shown = octo("show", "ctx_llm_tool")
    first, costs = shown.out.index("\nparameters\n  key "), shown.out.index("\n\ncosts\n  budget_tokens ")
    assert first < costs < shown.out.index("  stream ")
    assert octo("show", "ctx_llm_tool", "--json").json[0]["params"]["prices"]["group"] == "costs"
    page = steps_page()
    assert "| parameter | type | default | costs |\n|---|---|---|---|\n| `budget_tokens` |" in page
    for step in ready_steps():  # a group that stands in two places would be two headings
        groups = [group for group, _ in groupby(param.group for param in step.params)]
        assert len(groups) == len(set(groups)), step.name


def test_a_function_in_a_file_of_this_directory_is_found_with_pythonpath(octo: Any, rows: Path) -> None:
    Path("only_here.py").write_text("def f(row):\n    return row\n")
    told = octo("exec", "--ctx-file", rows, "ctx_map", "--key", "rows", "--fn", "only_here:f", code=2).err
    assert "there is no module 'only_here' (looked in what Python has); one is in this directory" in told
    assert "with PYTHONPATH=. it is found" in told
