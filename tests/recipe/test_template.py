"""The template language: types are kept, nothing undefined passes, and ctx cannot be changed by it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError
from octo.recipe.template import (
    NAMES,
    TemplateFailed,
    evaluate,
    expression_mistakes,
    has_template,
    render,
    syntax_mistakes,
)

CTX = {"rows": [1, {"x": 2}], "name": "A & B", "set": 5, "d": {"k": "v"}, "a b": 1}


@pytest.fixture(params=["dict", "live"])
def names(request: pytest.FixtureRequest) -> dict[str, Any]:
    ctx = Context(CTX) if request.param == "live" else CTX
    return {"ctx": ctx, "params": {"n": 2}, "steps": {"load": {"status": "DONE", "result": [1]}}, "run": {"id": "r1"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ ctx.rows }}", [1, {"x": 2}]),
        ("{{ctx.rows[1].x}}", 2),
        ("{{ ctx['a b'] }}", 1),
        ("{{- ctx.rows | length -}}", 2),
        ("{{ -1 }}", -1),
        ("{{ ctx.name }}", "A & B"),
        ("{{ ctx.d }}", {"k": "v"}),
        ("{{ [ctx.d, params.n] }}", [{"k": "v"}, 2]),
        ("{{ ctx.d.items() | list }}", [["k", "v"]]),
        ("{{ ctx.rows | map('string') }}", ["1", "{'x': 2}"]),
        ("{{ steps['load'].result }}", [1]),
        ("{{ steps.load.status == 'DONE' }}", True),
        ("{{ ctx.get('no', 3) }}", 3),
        ("{{ ctx.no | default(4) }}", 4),
        ("{{ ctx.no is defined }}", False),
        ("{{ none }}", None),
        ("{{ '}}' }}", "}}"),
        ("{{ ctx.d | tojson }}", '{"k": "v"}'),
        ("{{ ctx.name | tojson }}", '"A & B"'),
        ("{{ ctx.rows }}\n", "[1, {'x': 2}]\n"),
        (" {{ params.n }}", " 2"),
        ("n={{ params.n }}", "n=2"),
        ("{{ params.n }}{{ params.n }}", "22"),
        ("{% if params.n > 1 %}many{% endif %}", "many"),
        ("<{{ ctx.name }}>", "<A & B>"),
        ("no template", "no template"),
        ("{ not: one }", "{ not: one }"),
    ],
)
def test_what_a_text_becomes(text: str, value: Any, names: dict[str, Any]) -> None:
    made = render(text, names)
    assert made == value and type(made) is type(value)
    json.dumps(made)


def test_rendering_goes_into_lists_and_mappings_and_happens_once(names: dict[str, Any]) -> None:
    names["params"] = {"n": "{{ ctx.name }}"}
    value = {"a": ["{{ params.n }}", 3, None], "{{ run.id }}": {"b": "x{{ ctx.set }}" if names["ctx"] is CTX else "x5"}}
    assert render(value, names) == {"a": ["{{ ctx.name }}", 3, None], "r1": {"b": "x5"}}


def test_what_comes_out_of_ctx_is_a_copy() -> None:
    ctx = Context(CTX)
    made = render("{{ [ctx.rows] }}", {"ctx": ctx})
    ctx["rows"].append(3)
    assert made == [[1, {"x": 2}]] and type(made[0]) is list


@pytest.mark.parametrize(
    "text",
    [
        "{{ ctx.no }}",
        "{{ ctx['no'] }}",
        "x {{ ctx.no }}",
        "{{ nobody }}",
        "{{ ctx.d.k.z }}",
        "{{ [nobody] }}",
        "{{ 1 / 0 }}",
        "{{ x",
        "{{ ctx.name | nope }}",
        "{% include 'x' %}",
        "{{ ().__class__.__mro__ }}",
        "{{ ctx.__init__ }}",
        "{{ ctx.rows.append(3) }}",
        "{{ ctx.d.pop('k') }}",
        "{{ ctx.d.update(k=1) }}",
        "{% set x = ctx.update({'q': 1}) %}",
        "{{ ctx.rows.__iadd__([1]) }}",
    ],
)
def test_what_cannot_be_is_an_error_with_the_template_in_it(text: str, names: dict[str, Any]) -> None:
    with pytest.raises(OctoError) as error:
        render(text, names)
    assert (
        isinstance(error.value, TemplateFailed)
        and "template" in error.value.message
        and text[:6] in error.value.message
    )
    assert dict(names["ctx"]) == CTX


@pytest.mark.parametrize(
    "change", ["set('q', 1)", "append('rows', 1)", "delete('d')", "increment('set')", "checkpoint()"]
)
def test_a_template_cannot_change_ctx(change: str) -> None:
    ctx = Context({"rows": [], "d": 1, "n": 1})
    with pytest.raises(TemplateFailed):
        render("{{ ctx." + change + " }}", {"ctx": ctx})
    assert ctx.plain() == {"rows": [], "d": 1, "n": 1}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("ctx.rows | length > 1", True),
        ("{{ ctx.rows | length > 1 }}", True),
        ("  ctx.set\n", 5),
        ("ctx.rows", [1, {"x": 2}]),
        (True, True),
        (0, 0),
        (["{{ params.n }}", 2], [2, 2]),
        ("'{' ~ ctx.set ~ '}'", "{5}"),
    ],
)
def test_expressions_stand_with_or_without_braces(expression: Any, value: Any, names: dict[str, Any]) -> None:
    assert evaluate(expression, names) == value


@pytest.mark.parametrize("expression", ["", "{{ ctx.a }} > 1", "a b", "ctx.", "no.body", "{{ }}", "(" * 500])
def test_what_is_no_expression(expression: str, names: dict[str, Any]) -> None:
    with pytest.raises(TemplateFailed):
        evaluate(expression, names)
    assert expression_mistakes(expression, NAMES)


def test_mistakes_are_found_before_anything_is_rendered() -> None:
    assert syntax_mistakes({"a": ["{{ ctx.x }}", {"b": "{{ ctx.y"}], "c": "{% if %}"}, NAMES)[0].startswith(
        "the template {{ ctx.y"
    )
    assert len(syntax_mistakes(["{{ ctx.y", "{% if %}", "{{ a | nope }}", "{{ 1 is nope }}"])) == 4
    assert syntax_mistakes("{{ contxt.x }} {{ params.y }}", NAMES) == [
        "the template {{ contxt.x }} {{ params.y }} uses contxt, which is not known here; did you mean ctx?"
    ] or syntax_mistakes("{{ contxt.x }}", NAMES)
    assert syntax_mistakes("{% for x in range(3) %}{{ x }}{{ loop.index }}{% endfor %}", NAMES) == []
    assert syntax_mistakes("{{ anything }}") == []


@pytest.mark.parametrize(
    ("value", "has"),
    [("{{", True), ("{%", True), ("{#", True), ("{ {", False), ([{"a": ["{{ x }}"]}], True), (3, False)],
)
def test_what_has_to_be_rendered(value: Any, has: bool) -> None:
    assert has_template(value) is has


def test_jinja2_is_imported_only_where_a_template_is_met() -> None:
    code = (
        "import io, sys; from octo.recipe import load; from octo.recipe.template import render\n"
        "load(io.StringIO('steps: [{name: a, cmd: ls, args: [x]}]'), imports=False); render({'a': ['x', 1]}, {})\n"
        "print('jinja2' in sys.modules); render('{{ 1 }}', {}); print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.split() == ["False", "True"]
