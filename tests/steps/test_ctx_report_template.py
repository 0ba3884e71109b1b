"""ctx_report_template: a template with values of ctx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, UsageError
from octo.param import ParamError
from step_library.kit.files.file_io import BadFile, NoSuchFile
from step_library.report import ctx_report_template
from tests.recipe.runs import Project

CTX = {"test_id": "demo001", "tester": "user", "description": "Testing automation.",
       "ai_summary": "Success! All tests passed.", "my_metric": 42,
       "rows": [{"name": "a|b", "n": 1}, {"name": "<i>", "n": None, "more": [1]}], "mean": 1 / 3}
VARS = {"test_id": "ctx:test_id", "tester": "ctx:tester", "description": "ctx:description", "result": "ctx:ai_summary",
        "metric": "ctx:my_metric"}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return dict(CTX) if request.param == "dict" else Context(CTX)


def filled(ctx: Any, text: str, template: str = "t.md", **params: Any) -> str:
    params.setdefault("out", "o.md")
    Path(template).write_bytes(text.encode())
    before = dict(ctx) if type(ctx) is dict else ctx.plain()
    assert ctx_report_template.run(ctx, {"template": template, **params}) == {"written": params["out"]}
    assert before == (ctx if type(ctx) is dict else ctx.plain())  # it only reads
    return Path(params["out"]).read_bytes().decode()


@pytest.mark.parametrize(("template", "text"), [
    ("# Summary for {test_id}\nConducted by: {tester}\n...\nSummary: {result}\nKey metric: {metric}",
     "# Summary for demo001\nConducted by: user\n...\nSummary: Success! All tests passed.\nKey metric: 42"),
    ("# Test Report: {test_id}\n\n- Tester: {tester}\n- Description: {description}\n- Results: {result}\n"
     "- Metric Value: {metric}\n\nThank you!",
     "# Test Report: demo001\n\n- Tester: user\n- Description: Testing automation.\n"
     "- Results: Success! All tests passed.\n- Metric Value: 42\n\nThank you!"),
], ids=["expanded", "sample"])
def test_the_printed_examples(ctx: Any, template: str, text: str) -> None:
    """The first two examples of the catalogue."""
    Path("templates").mkdir()
    out = "Data/report_20250825.md"
    assert filled(ctx, template, "templates/my_report.md", out=out, vars=VARS) == text


def test_the_printed_vars_of_the_command_line(ctx: Any) -> None:
    """The third example of the catalogue."""
    Path("templates").mkdir()
    given = {"foo": "bar", "result": "ctx:ai_summary"}
    text = filled(ctx, "{foo}: {result}", "templates/my_report.md", out="Data/report.md", vars=given)
    assert text == "bar: Success! All tests passed."


@pytest.mark.parametrize(("text", "given", "wanted"), [
    ("", {}, ""),
    ("{{a}} ü\r\n{a}", {"a": "→"}, "{a} ü\r\n→"),
    ("\ufeff{a}", {"a": 1}, "1"),
    ("{a:.2f} {a!s:>5.3} {rows[0][name]}", {"a": "ctx:mean", "rows": "ctx:rows"}, "0.33   0.3 a|b"),
    ("{a} {b}", {"a": "ctx::mean", "b": "ctx is"}, "ctx:mean ctx is"),
    ("{a|none} {b|}", {"a": "ctx:nothing", "unused": "ctx:nothing"}, "none "),
    ("{a} {b}", {"a": [1, "x"], "b": None}, "[1, 'x'] None"),
    ("{table:rows}", {"rows": "ctx:rows"},
     "| name | n | more |\n| --- | ---: | --- |\n| a\\|b | 1 |  |\n| &lt;i&gt; |  | [1] |"),
    ("{table:d}", {"d": {"k": 1, "l": None}}, "| key | value |\n| --- | ---: |\n| k | 1 |\n| l |  |"),
    ("{table:r}", {"r": [["a", "b"], [1]]}, "| a | b |\n| ---: | --- |\n| 1 |  |"),
    ("{table:r}", {"r": [[1, 2]]}, "| 0 | 1 |\n| ---: | ---: |\n| 1 | 2 |"),
    ("{table:r}", {"r": ["x", 2]}, "| value |\n| --- |\n| x |\n| 2 |"),
    ("{table}", {"table": "mine"}, "mine"),
])
def test_places(ctx: Any, text: str, given: dict[str, Any], wanted: str) -> None:
    assert filled(ctx, text, vars=given) == wanted


def test_keys_of_ctx_by_their_own_names(ctx: Any) -> None:
    assert filled(ctx, "{mean:.1f} {test_id} {ctx[tester]}", ctx_keys=["mean", "test*"], vars={"mean": 2}) == (
        "2.0 demo001 user")
    with pytest.raises(MissingKey, match="there is no 'tester'"):
        filled(ctx, "{tester}", ctx_keys=["mean"])


@pytest.mark.parametrize(("text", "wanted"), [
    ("{% for row in rows %}{{ row.name }};{% endfor %}{% if mean < 1 %}low{% endif %}\n", "a|b;<i>;low\n"),
    ("{{ rows | table }}", "| name | n | more |\n| --- | ---: | --- |\n| a\\|b | 1 |  |\n| &lt;i&gt; |  | [1] |"),
    ("{{ '2025-01-31 10:00:00' | date }} {{ '2025-01-31' | date('%d.%m.') }}", "2025-01-31 10:00:00 31.01."),
    ("{{ nothing | default('-') }} {{ '%.2f' | format(mean) }} {{ ctx.mean > 0 }} {{ x | tojson }}", '- 0.33 True "&"'),
])
def test_jinja2(ctx: Any, text: str, wanted: str) -> None:
    given = {"rows": "ctx:rows", "nothing": "ctx:nothing", "x": "&"}
    assert filled(ctx, text, "t.md.j2", vars=given, ctx_keys=["mean"]) == wanted
    assert filled(ctx, text, "t.md", vars=given, ctx_keys=["mean"], engine="jinja2") == wanted


@pytest.mark.parametrize("template", ["t.html", "t.html.j2"])
def test_in_html_nothing_is_taken_for_markup(ctx: Any, template: str) -> None:
    places = ("<b>{{ x }}</b>{{ rows | table }}", "<b>{x}</b>{table:rows}")[template == "t.html"]
    text = filled(ctx, places, template, out="o.html", vars={"x": "<script>&", "rows": [["<u>"]]})
    assert text.startswith("<b>&lt;script&gt;&amp;</b><table>") and "&lt;u&gt;" in text and "<u>" not in text


def test_json_in_a_script_of_a_page(ctx: Any) -> None:
    text = filled(ctx, "<script>rows = {{ rows | tojson }}</script>", "t.html.j2", out="o.html",
                  vars={"rows": ["</script>", 1]})
    assert text == '<script>rows = ["\\u003c/script\\u003e", 1]</script>'


@pytest.mark.parametrize(("text", "params", "error", "words"), [
    ("{nam}", {"vars": {"name": 1}}, KeyError, "t.md: {nam}: there is no 'nam'; did you mean name?"),
    ("{r}", {"vars": {"r": "ctx:ai_sumary"}}, KeyError,
     "there is no 'r'; vars/r: ctx has no key 'ai_sumary'; did you mean ai_summary?"),
    ("{{ r }}", {"engine": "jinja2", "vars": {"r": "ctx:ai_sumary"}}, KeyError,
     "t.md: 'r' is undefined; vars/r: ctx has no key 'ai_sumary'; did you mean ai_summary?"),
    ("{r[x]}", {"vars": {"r": {}}}, KeyError, "there is no 'x' in 'r'"),
    ("{table:rowz}", {"vars": {"rows": []}}, KeyError, "there is no 'rowz'; did you mean rows?"),
    ("{table:a}", {"vars": {"a": 5}}, UsageError, "a is to be a list or a dict to be shown as a table, not int 5"),
    ("{a.__class__}", {"vars": {"a": 5}}, UsageError, "is no place for a value"),
    ("{a", {"vars": {"a": 5}}, UsageError, "t.md: "),
    ("{a:.2f}", {"vars": {"a": "x"}}, UsageError, "{a:.2f}: "),
    ("a\n{% for %}", {"engine": "jinja2"}, UsageError, "t.md:2: "),
    ("{{ a | fine }}", {"engine": "jinja2", "vars": {"a": 5}}, UsageError, "t.md:1: No filter named 'fine'"),
    ("{{ a.__class__.mro() }}", {"engine": "jinja2", "vars": {"a": 5}}, UsageError, "is unsafe"),
    ("{% include 'x' %}", {"engine": "jinja2"}, UsageError, "no loader"),
    ("{{ 1 // 0 }}", {"engine": "jinja2"}, UsageError, "zero"),
    ("{{ ctx.update({}) }}", {"engine": "jinja2"}, OctoError, "t.md: "),
    ("x", {"out": "t.md"}, UsageError, "out: t.md is the template itself"),
    ("x", {"out": "o.docx"}, UsageError, "o.docx: docx is no text"),
    ("x", {"out": "."}, UsageError, "it is a folder"),
    ("x", {"vars": ["a"]}, ParamError, "'vars' is to be dict"),
    ("x", {"engine": "mako"}, ParamError, "one of 'format', 'jinja2'"),
    ("x", {"var": {}}, ParamError, "unknown parameter 'var'; did you mean vars?"),
])
def test_mistakes(ctx: Any, text: str, params: dict[str, Any], error: type[Exception], words: str) -> None:
    Path("o.md").write_text("before")
    with pytest.raises(error) as caught:
        filled(ctx, text, **params)
    assert isinstance(caught.value, OctoError) and words in str(caught.value)
    assert Path("o.md").read_text() == "before"


def test_files_that_cannot_be_read(ctx: Any) -> None:
    with pytest.raises(NoSuchFile) as caught:
        ctx_report_template.run(ctx, {"template": "none.md", "out": "o.md"})
    assert isinstance(caught.value, FileNotFoundError)
    Path("t.md").write_bytes(b"\xff")
    with pytest.raises(BadFile, match=r"t.md is not UTF-8 text \(byte 0\)"):
        ctx_report_template.run(ctx, {"template": "t.md", "out": "o.md"})
    with pytest.raises(ParamError, match="'template' is missing"):
        ctx_report_template.run(ctx, {"out": "o.md"})
    with pytest.raises(UsageError, match="no name of a file"):
        ctx_report_template.run(ctx, {"template": "\0", "out": "o.md"})
    assert not Path("o.md").exists()


def test_a_large_table(ctx: Any) -> None:
    rows = [{"n": number, "text": "x"} for number in range(20_000)]
    assert filled(ctx, "{table:rows}", vars={"rows": rows}).count("\n") == 20_001


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def load(ctx):
            ctx["n"] = 42
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.write("t.md", "n is {n} in {mode} of {run}")
    project.recipe("""
        steps:
          - {name: load, module: BODY, function: load}
          - {name: gate, module: BODY, function: gate, depends_on: load}
          - {name: report, module: scriptlets.python.core.ctx_report_template, depends_on: gate,
             params: {template: t.md, out: Data/o.md, vars: {n: "ctx:n", mode: "{{ steps['load'].status }}",
                                                             run: plan}}}
    """)
    assert project.run().status == "COMPLETE_ERROR" and not (project.folder / "Data").exists()
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert (project.folder / "Data" / "o.md").read_text() == "n is 42 in DONE of plan"
    assert project.steps["report"]["result"] == {"written": "Data/o.md"}
