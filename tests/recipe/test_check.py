"""A recipe is checked whole: every mistake, in plain words, with its line; and what a valid one becomes."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from octo.recipe import load
from octo.recipe.check import check
from octo.recipe.nodes import Source
from octo.recipe.sizes import parse_size
from tests.recipe.kit import mistakes, recipe


def step(fields: str) -> list[str]:
    """The mistakes of a recipe with one step of these fields, without line and step."""
    found = mistakes(f"steps:\n  - {{name: s, {fields}}}\n")
    return [each.removeprefix('2: step "s": ') for each in found]


def test_the_message_has_file_line_step_field_and_the_nearest_name() -> None:
    text = textwrap.dedent(
        """\
        steps:
          - name: read
            cmd: ls

          - name: load
            function: m:f
            depend_on: read
        """
    )
    assert mistakes(text) == ['7: step "load": unknown field depend_on; did you mean depends_on?']


def test_all_mistakes_come_together_in_the_order_of_the_file() -> None:
    text = textwrap.dedent(
        """\
        defaults: {timout: 3, name: x}
        max_parallel: 0
        steps:
          - name: a
            function: m:f
            depends_on: [b, lod]
            retry: {attempt: 3}
          - name: b
            cmd: ls
            after: a
            parallel: "yes"
          - name: load
            type: shell
          - cmd: ls
          - name: load
            function: m:f
        kep_going: true
        """
    )
    assert mistakes(text) == [
        "1: defaults: name cannot be a default",
        "1: defaults: unknown field timout; did you mean timeout?",
        "2: max_parallel must be a whole number from 1, not 0",
        '6: step "a": a cycle of dependencies: a -> b -> a',
        '6: step "a": depends on lod, which is no step; did you mean load?',
        '7: step "a": retry: attempts is missing',
        '7: step "a": retry: unknown field attempt; did you mean attempts?',
        '11: step "b": parallel must be true or false, not "yes"; write true, without quotes',
        '12: step "load": cmd is missing: the program to run',
        "14: step 4: name is missing",
        '15: step "load": the name stands twice (first in line 12)',
        "17: unknown field kep_going; did you mean keep_going?",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1: the file is empty; a recipe begins with steps:"),
        ("# nothing\n", "1: the file is empty; a recipe begins with steps:"),
        ("\n- name: a\n  cmd: ls\n", "2: this is a bare list of steps; put steps: over it"),
        ("hello", '1: a recipe is a mapping that has steps:, not "hello"'),
        ("ctx: {}", "1: steps is missing"),
        ("steps:\n", "1: steps is missing"),
        ("steps: []", "1: there are no steps below steps:"),
        ("steps: {a: {cmd: ls}}", "1: steps must be a list of steps, not a mapping"),
        ("steps:\n  - name: a\n    cmd: ls\n  - b\n", '4: steps must be a list of steps; item 2 is "b"'),
    ],
)
def test_files_that_are_no_recipe(text: str, told: str) -> None:
    assert mistakes(text) == [told]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("cmd: ls, module: m", "module is a field of python steps; this is a shell step (it has a cmd)"),
        ("function: 'm:f', env: {A: 1}", "env is a field of shell steps; this is a python step (it has no cmd)"),
        ("type: python, cmd: ls", "cmd is a field of shell steps; this is a python step"),
        ("type: bash, cmd: ls", 'type must be python or shell, not "bash"'),
        ("depends_on: []", "module or function is missing: what to call"),
        ("cwd: x", "cmd is missing: the program to run (cwd is a field of shell steps)"),
        ("cmd: ls, args: {a: 1}", "args of a shell step is a list: args: [--key, value]"),
        ("cmd: ls, args: [[1]]", "an argument is one text; item 1 of args is a list"),
        (
            "cmd: python x.py --n 3",
            'cmd is one program, not a command line; write cmd: python and args: [x.py, --n, "3"]',
        ),
        ("cmd: ls, args: [a, '|', wc]", 'no shell runs here, so "|" in args'),
        ("cmd: ls, args: ['>', x]", "stdout_to_ctx: KEY takes the output"),
        ("cmd: ls, args: ['<', x]", "stdin_file: FILE gives the program its input"),
        ("cmd: ls, env: {'A=B': x}", "env: 'A=B' cannot be the name of a variable"),
        ("cmd: ls, env: {A: [1]}", "env must be a mapping of names to text; A is a list"),
        ("function: 'm:f', params: {a: 1}, args: {a: 1}", "params and args both say what the function is given"),
        ("function: 'm:f', params: [1]", "params must be a mapping of parameters to values, not a list"),
        ("function: 5", "function must be the name of a function or class, as text, not 5; put quotes around it"),
        ("function: 'm:f', executor: dask", "executor: dask is not there yet; use executor: process"),
        ("function: 'm:f', executor: thread, requires_process: true", "cannot both hold"),
        ("function: 'm:f', success: {exit_codes: 1}", "success: exit_codes is for shell steps; this is a python step"),
        ("cmd: ls, for_each: [1], when: item > 1", "when: the template item > 1 uses item, which is not known here"),
        ("cmd: ls, for_each: [1], on_success: {cmd: '{{ item }}'}", "uses item, which is not known here"),
        ("function: 'm:f', timeout: '5'", 'timeout must be a number of seconds, not the text "5"'),
        ("function: 'm:f', timeout: 0", "timeout must be seconds, a number above 0"),
        ("function: 'm:f', timeout: true", "timeout must be seconds"),
        ("function: 'm:f', idx: '1'", 'idx must be a whole number, not "1"; write it without quotes'),
        ("function: 'm:f', idx: 1.5", "idx must be a whole number, not 1.5"),
        ("function: 'm:f', retry: 0", "retry must be a number of attempts from 1"),
        ("function: 'm:f', retry: {attempts: 2, delay: -1}", "retry: delay must be seconds, a number from 0, not -1"),
        ("function: 'm:f', resources: {mem: lots}", 'resources: mem: "lots" is no size; write bytes'),
        ("function: 'm:f', resources: {mem: 900TiB}", "resources: mem: 900TiB is more than the"),
        ("function: 'm:f', resources: {cpu: 100000}", "resources: cpu: 100000 is more than the"),
        (
            "function: 'm:f', success: {ctx_has_key: a}",
            "success: unknown field ctx_has_key; did you mean ctx_has_keys?",
        ),
        ("function: 'm:f', breakpoint: before", "breakpoint must be true, false, entry or exit"),
        ("function: 'm:f', on_conflict: lst", 'on_conflict must be first or last, not "lst"; did you mean last?'),
        ("function: 'm:f', collect: x", "collect needs for_each"),
        ("function: 'm:f', depends_on: [7]", "item 1 is 7; put quotes around it"),
        ("function: 'm:f', depends_on: s", "depends on itself"),
        ("function: 'm:f', for_each: 3", "for_each must be a list, or an expression for one, not 3"),
        ("function: 'm:f', on_failure: {name: x, cmd: ls}", "on_failure: a hook has no name"),
        ("function: 'm:f', on_success: {cmd: ls -l}", "on_success: cmd is one program"),
        ("function: 'm:f', on_success: [ls]", "on_success must be a step without a name, or a list of them; item 1"),
        ("function: 'm:f', params: {x: '{{ ctx.y'}", "params: the template {{ ctx.y cannot be read"),
        ("function: 'm:f', when: 'cxt.a > 1'", "uses cxt, which is not known here; did you mean ctx?"),
        ("function: 'm:f', when: '{{ ctx.a }} > 1'", "is not one expression"),
        ("function: 'm:f', for_each: 'item'", "uses item, which is not known here"),
        ("cmd: ls, args: ['{{ item }}']", "uses item, which is not known here"),
        ("cmd: ls, args: ['{{ ctx.a | uper }}']", "uses the filter uper, which there is not; did you mean upper?"),
        ("cmd: ls, stdout_to_ctx: 'x{{ index }}'", "stdout_to_ctx is taken as it stands"),
    ],
)
def test_what_is_wrong_in_a_step(fields: str, told: str) -> None:
    found = step(fields)
    assert len(found) == 1 and told in found[0], found
    assert "Input should" not in found[0]


def test_no_word_of_the_sentence_is_offered_for_a_value() -> None:
    (found,) = step("cmd: ls, success: {exit_codes: [a]}")
    assert found.endswith('exit_codes must be a whole number, or a list of them; item 1 is "a"')


@pytest.mark.parametrize("name", ["a,b", "a[1]", "a/b", "a\\b", "{x}", '"a\\nb"', '""', "1", "true"])
def test_names_that_cannot_be(name: str) -> None:
    text = name if name.startswith('"') or name in ("1", "true") else f"'{name}'"
    found = mistakes(f"steps:\n  - name: {text}\n    cmd: ls\n")
    assert len(found) == 1 and "name must be text without" in found[0]


@pytest.mark.parametrize("name", ["ctx", "engine", "steps", "breakpoints", "global_parameters"])
def test_names_that_octo_uses(name: str) -> None:
    assert mistakes(f"steps:\n  - {{name: {name}, cmd: ls}}\n") == [
        f'2: step "{name}": Octo itself uses the name {name}; choose another'
    ]


def test_every_knot_of_dependencies_is_shown_whole() -> None:
    needs = {"a": "c", "b": "a", "c": "b", "d": "e", "e": "d", "f": "a"}
    text = "steps:\n" + "".join(f"  - {{name: {name}, cmd: ls, after: {on}}}\n" for name, on in needs.items())
    assert mistakes(text) == [
        '2: step "a": a cycle of dependencies: a -> c -> b -> a',
        '5: step "d": a cycle of dependencies: d -> e -> d',
    ]


def test_a_chain_of_thousands_is_no_problem() -> None:
    text = "steps:\n" + "".join(f"  - {{name: s{n}, cmd: ls, after: s{n + 1}}}\n" for n in range(3000))
    assert len(recipe(text + "  - {name: s3000, cmd: ls}\n").steps) == 3001


def test_a_blank_in_cmd_is_right_where_such_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "my tool.sh").touch()
    text = "steps:\n  - {name: a, cmd: ./my tool.sh}\n  - {name: b, cmd: '{{ ctx.tool }} x'}\n"
    file = tmp_path / "r.yaml"
    file.write_text(text)
    assert [each.cmd for each in load(file, imports=False).steps] == ["./my tool.sh", "{{ ctx.tool }} x"]


def test_arguments_and_variables_are_the_text_in_the_file() -> None:
    text = "steps:\n  - {name: a, cmd: x, args: [007, 1.50, true, ~, 1e3, a b], "
    text += "env: {N: 010, T: True, E: }, cache_key: 1.0}\n"
    [made] = recipe(text).steps
    assert made.args == ["007", "1.50", "true", "~", "1e3", "a b"]
    assert made.env == {"N": "010", "T": "True", "E": ""}
    assert made.cache_key == "1.0"


def test_a_step_with_everything() -> None:
    text = textwrap.dedent(
        """\
        test_meta: {test_id: T-1, name: first}
        metadata: {name: whole}
        x-mine: [anything]
        on_conflict: last
        max_parallel: 3
        keep_going: true
        jobs_timeout: 5
        ctx: {rows: [], "a.b": 1}
        on_failure: {cmd: notify, args: ["{{ error }}"]}
        steps:
          - name: b
            idx: 2
            function: "m:f"
            args: {x: 1}
            depends_on: a
            after: [a, c]
            x-note: mine
            when: ctx.rows | length > 0
            for_each: "{{ ctx.files }}"
            collect: sums
            parallel: true
            requires_process: true
            retry: {attempts: 3, delay: 0.5, exceptions: OSError}
            timeout: "{{ params.x }}"
            success: {ctx_has_keys: rows}
            breakpoint: exit
            on_conflict: first
            resources: {cpu: 0.5, mem: 1.5MiB}
            on_success:
              - {function: "m:g"}
              - {cmd: notify}
          - {name: c, idx: 3, module: m, args: [1, 2], breakpoint: true, retry: 2}
          - {name: a, idx: 1, module: m, function: g, background: true, stop_timeout: 1}
        """
    )
    made = recipe(text)
    assert [each.name for each in made.steps] == ["a", "b", "c"]
    assert (made.name, made.metadata) == ("whole", {"test_id": "T-1", "name": "whole"})
    assert (made.max_parallel, made.keep_going, made.jobs_timeout, made.on_conflict) == (3, True, 5, "last")
    assert made.ctx == {"rows": [], "a.b": 1} and made.path is None
    assert [(hook.kind, hook.cmd, hook.args) for hook in made.on_failure] == [("shell", "notify", ["{{ error }}"])]
    a, b, c = made.steps
    assert (a.target, a.background, a.stop_timeout, a.on_conflict) == ("m:g", True, 1, "last")
    assert (b.target, b.params, b.positional, b.depends_on) == ("m:f", {"x": 1}, None, ["a", "c"])
    assert (b.when, b.for_each, b.collect) == ("ctx.rows | length > 0", "{{ ctx.files }}", "sums")
    assert (b.parallel, b.executor, b.on_conflict, b.line) == (True, "process", "first", 11)
    assert b.retry == {"attempts": 3, "delay": 0.5, "exceptions": ["OSError"]}
    assert b.success == {"ctx_has_keys": ["rows"]}
    assert (b.cpu, b.mem, b.timeout) == (0.5, 1572864, "{{ params.x }}")
    assert (b.breakpoint_entry, b.breakpoint_exit) == (False, True)
    assert [(hook.kind, hook.target, hook.cmd) for hook in b.on_success] == [
        ("python", "m:g", ""),
        ("shell", "", "notify"),
    ]
    assert (c.target, c.positional, c.params, c.retry) == ("m:run", [1, 2], None, {"attempts": 2})
    assert (c.breakpoint_entry, c.breakpoint_exit) == (True, False)


def test_idx_orders_only_where_every_step_has_one() -> None:
    text = "steps:\n  - {name: a, cmd: ls, idx: 2}\n  - {name: b, cmd: ls}\n  - {name: c, cmd: ls, idx: 1}\n"
    assert [each.name for each in recipe(text).steps] == ["a", "b", "c"]


def test_defaults_hold_where_the_step_does_not_say_it_itself() -> None:
    text = textwrap.dedent(
        """\
        defaults:
          timeout: 5
          retry: {attempts: 3, delay: 1}
          cwd: work
          params: {a: 1, b: 2}
          executor: process
          module: m
        steps:
          - {name: py, function: f}
          - {name: own, function: f, params: {c: 3}, timeout: 1, retry: 2, requires_process: false}
          - {name: none, function: f, timeout: null, args: [1]}
          - {name: sh, cmd: ls}
        """
    )
    py, own, none, shell = recipe(text).steps
    assert (py.target, py.timeout, py.params, py.executor) == ("m:f", 5, {"a": 1, "b": 2}, "process")
    assert py.retry == {"attempts": 3, "delay": 1} and py.cwd is None
    assert (own.params, own.timeout, own.retry, own.executor) == ({"c": 3}, 1, {"attempts": 2}, "thread")
    assert (none.timeout, none.params, none.positional) == (None, None, [1])
    assert (shell.kind, shell.cwd, shell.timeout, shell.params) == ("shell", "work", 5, None)


def test_one_step_written_in_two_ways_is_the_same() -> None:
    one, two = recipe(
        "steps:\n  - {name: a, module: m, function: f, args: {x: 1}, after: c, requires_process: true}\n"
        "  - {name: b, function: 'm:f', params: {x: 1}, depends_on: [c], executor: process, type: python}\n"
        "  - {name: c, cmd: ls}\n"
    ).steps[:2]
    assert one.written == two.written
    assert one.written["target"] == "m:f" and one.written["params"] == {"x": 1}


@pytest.mark.parametrize(
    ("size", "bytes_"),
    [("2GiB", 2**31), ("2GB", 2 * 10**9), ("500 MB", 5 * 10**8), ("1.5k", 1500), ("10", 10), (7, 7), ("2 gib", 2**31)],
)
def test_sizes(size: str | int, bytes_: int) -> None:
    assert parse_size(size) == bytes_


@pytest.mark.parametrize("size", ["", "GB", "-1GB", "0", "2 XB", "2ib", "1e3", "9" * 40])
def test_what_is_no_size(size: str) -> None:
    assert parse_size(size) is None


STEPS = """
from octo.scriptlet import BaseScriptlet, Param, scriptlet

@scriptlet(params=[
    Param("path", type="str"), Param("n", type="int", default=1), Param("text", type="template", default="")
])
def load(ctx, params):
    return {}

def add(ctx, a, b=2):
    return a + b

class Judge(BaseScriptlet):
    def run(self, ctx, params):
        return 0
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with modules that recipes name."""
    (tmp_path / "recipe_check_steps.py").write_text(STEPS)
    (tmp_path / "recipe_check_broken.py").write_text("import not_there_at_all\n")
    (tmp_path / "recipe_check_ends.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "recipe_check_counts.py").write_text(
        f"with open({os.fspath(tmp_path / 'imports')!r}, 'a') as file:\n    file.write('x')\n\ndef f(ctx): ...\n"
    )
    return tmp_path


def test_what_is_named_is_imported_and_checked(library: Path) -> None:
    file = library / "r.yaml"
    file.write_text(
        textwrap.dedent(
            """\
            steps:
              - {name: ok, function: "recipe_check_steps:load", params: {path: x, text: "Dear {{ anybody }}"}}
              - {name: ok2, module: recipe_check_steps, function: add, args: [1, 2]}
              - {name: ok3, module: recipe_check_steps, function: Judge, args: {x: 1}}
              - {name: ok4, module: builtins, function: print, args: ["Hello"]}
              - {name: ok5, module: recipe_check_steps, function: add, params: {a: "{{ ctx.n }}"}}
              - {name: a, function: "recipe_check_steps:load", params: {pth: x}}
              - {name: b, module: recipe_check_steps, function: lod}
              - {name: c, module: recipe_check_step}
              - {name: d, module: recipe_check_broken, function: f}
              - name: e
                module: recipe_check_steps
                function: load
                params:
                  path: x
                  n: many
              - {name: f, module: recipe_check_ends, function: f}
              - {name: g, module: recipe_check_steps, function: add, params: {a: "{{ itme }}"}}
              - name: h
                cmd: ls
                on_failure: {module: recipe_check_steps, function: add}
            """
        )
    )
    with pytest.raises(Exception) as error:
        load(file)
    told = [line.split("r.yaml:", 1)[1] for line in str(error.value).splitlines()]
    expected = [
        ('7: step "a": parameter', "'path' is missing"),
        ('7: step "a": unknown parameter', "did you mean path?"),
        ('8: step "b": ', "did you mean load?"),
        ('9: step "c": ', "did you mean recipe_check_steps?"),
        ('10: step "d": ', "not_there_at_all"),
        ('16: step "e": ', "'n' is to be int"),
        ('17: step "f": ', "SystemExit"),
        ('18: step "g": params: ', "uses itme"),
        ('21: step "h": on_failure: ', "'a' is missing"),
    ]
    assert len(told) == len(expected), "\n".join(told)
    for line, (begins, holds) in zip(told, expected, strict=True):
        assert line.startswith(begins) and holds in line
    load(file.with_name("r.yaml"), imports=False)  # nothing of this is seen without importing


def test_a_function_named_by_many_steps_is_imported_once(library: Path) -> None:
    file = library / "r.yaml"
    file.write_text(
        "steps:\n" + "".join(f"  - {{name: s{n}, module: recipe_check_counts, function: f}}\n" for n in range(9))
    )
    assert len(load(file).steps) == 9
    assert (library / "imports").read_text() == "x"


def test_not_alone_a_recipe_may_depend_on_steps_of_another() -> None:
    source = Source("steps:\n  - {name: a, cmd: ls, after: elsewhere}\n", None, Path("r.yaml"))
    assert check(source, imports=False, alone=False).steps[0].depends_on == ["elsewhere"]
