"""What the next run does: the table of how the last one ended, selections, and changes to the recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo.errors import OctoError, UsageError
from octo.recipe.choice import Asked
from octo.recipe.instance import place_of_instance
from octo.recipe.run import Options, edits_since

from .runs import Project

BODIES = """
    import os
    def add(ctx, name):
        ctx.append("ran", name)
        ctx[name] = ctx.get(name, 0) + 1
        with open("ran.txt", "a") as file:
            print(name, file=file)
        return name
    def needs(ctx, name, file):
        add(ctx, name)
        if not os.path.exists(file):
            raise RuntimeError(f"{file} is not there")
    def many(ctx, name, item):
        add(ctx, f"{name}{item}")
        if item == 2 and not os.path.exists("go"):
            raise RuntimeError("item 2")
        return item * 10
"""
CHAIN = """
    steps:
      - {name: a, module: BODY, function: add, params: {name: a}}
      - {name: b, module: BODY, function: needs, params: {name: b, file: go}}
      - {name: c, module: BODY, function: add, params: {name: c}}
"""
GRAPH = """
    steps:
      - {name: a, module: BODY, function: add, params: {name: a}}
      - {name: b, module: BODY, function: add, params: {name: b}, depends_on: a}
      - {name: c, module: BODY, function: add, params: {name: c}}
      - {name: d, module: BODY, function: add, params: {name: d}, depends_on: b}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


# -- the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_directory", [False, True])
def test_a_failed_run_goes_on(project: Project, by_directory: bool) -> None:
    project.recipe(CHAIN)
    first = project.run()
    assert (first.status, first.exit_code) == ("COMPLETE_ERROR", 1)
    assert project.status() == {"a": "DONE", "b": "FAILED", "c": "WAITING"}
    assert project.ctx["ran"] == ["a"], "what the failed step did is undone"
    (project.folder / "go").touch()
    second = project.go_on() if by_directory else project.run()
    assert (second.status, second.run_id, second.resumed) == ("COMPLETE_SUCCESS", first.run_id, True)
    assert project.ctx["ran"] == ["a", "b", "c"]
    assert project.lines("ran.txt") == ["a", "b", "b", "c"]
    assert project.steps["b"]["reason"] == "failed before"


@pytest.mark.parametrize("by_directory", [False, True])
def test_a_paused_run_goes_on(project: Project, by_directory: bool) -> None:
    project.recipe(CHAIN.replace("name: c,", "name: c, breakpoint: true,", 1))
    (project.folder / "go").touch()
    first = project.run()
    assert (first.status, first.exit_code) == ("PAUSED", 3)
    second = project.go_on() if by_directory else project.run()
    assert (second.status, second.run_id) == ("COMPLETE_SUCCESS", first.run_id)
    assert project.ctx["ran"] == ["a", "b", "c"]


def test_after_a_good_end_the_recipe_begins_a_new_run(project: Project) -> None:
    (project.folder / "go").touch()
    project.recipe(CHAIN + "\n    ctx: {start: 1}\n")
    first = project.run()
    project.edit()["mine"] = 1
    second = project.run()
    assert second.run_id != first.run_id and not second.resumed
    assert project.ctx["ran"] == ["a", "b", "c"] and "mine" not in project.ctx
    assert project.ctx["start"] == 1 and project.ctx["a"] == 1
    assert project.lines("ran.txt") == ["a", "b", "c"] * 2
    assert project.settings["run_step_count"] == 4


def test_after_a_good_end_the_directory_has_nothing_to_run(project: Project) -> None:
    (project.folder / "go").touch()
    project.recipe(CHAIN)
    project.run()
    result = project.go_on()
    assert result.nothing_to_do and result.exit_code == 0
    assert project.lines("ran.txt") == ["a", "b", "c"]


@pytest.mark.parametrize("by_directory", [False, True])
@pytest.mark.parametrize("asked", [{"only": ["a", "c"]}, {"skip": ["b"]}])
def test_what_was_left_out_comes_later(project: Project, by_directory: bool, asked: dict[str, list[str]]) -> None:
    (project.folder / "go").touch()
    project.recipe(CHAIN)
    first = project.run(**asked)
    assert first.status == "COMPLETE_SUCCESS"
    assert project.status() == {"a": "DONE", "b": "LEFT_OUT", "c": "DONE"}
    project.edit()["mine"] = 1
    second = project.go_on() if by_directory else project.run()
    assert second.status == "COMPLETE_SUCCESS" and second.run_id == first.run_id
    assert project.ctx["ran"] == ["a", "c", "b"] and project.ctx["mine"] == 1
    assert project.status()["b"] == "DONE"
    assert project.run().run_id != first.run_id


def test_what_was_left_out_of_a_run_runs_where_that_began(project: Project, tmp_path: Path) -> None:
    from octo.recipe.run import run_recipe

    from .runs import chdir

    (project.folder / "go").touch()
    project.recipe(CHAIN)
    project.run(skip=["b"])
    with chdir(tmp_path):
        result = run_recipe(project.folder / "r.yaml", instance=project.instance, draw=False)
    assert result.status == "COMPLETE_SUCCESS", result.error


def test_a_selection_that_leaves_only_what_is_done_says_so(project: Project) -> None:
    project.recipe(GRAPH)
    assert "leave out every step" in project.refused(skip=["a", "b", "c", "d"]).message
    project.run()
    assert "leave out every step that is not done" in project.refused(skip=["a"]).message


def test_restart_begins_anew_whatever_was(project: Project) -> None:
    project.recipe(CHAIN)
    first = project.run()
    project.recipe(CHAIN.replace("name: a}", "name: aa}"))
    second = project.run(restart=True)
    assert second.run_id != first.run_id
    assert project.ctx["ran"] == ["aa"]
    assert project.status() == {"a": "DONE", "b": "FAILED", "c": "WAITING"}


def test_values_are_put_into_ctx_and_win_over_the_recipe(project: Project) -> None:
    (project.folder / "go").touch()
    project.recipe("""
        ctx: {x: 1, y: 1}
        steps:
          - {name: a, module: BODY, function: add, params: {name: "{{ ctx.x }}-{{ ctx.y }}"}}
    """)
    project.run(values={"x": 2})
    assert project.ctx["ran"] == ["2-1"]


# -- selections ------------------------------------------------------------------------------------


def test_only_of_a_done_step_runs_it_again_in_the_ctx_as_it_is(project: Project) -> None:
    project.recipe(GRAPH)
    first = project.run()
    project.edit()["mine"] = 1
    second = project.run(only=["b"])
    assert second.run_id == first.run_id
    assert project.ctx == {"ran": ["a", "b", "c", "d", "b"], "a": 1, "b": 2, "c": 1, "d": 1, "mine": 1}
    assert set(project.status().values()) == {"DONE"}


def test_both_runs_of_a_step_are_undone_together(project: Project) -> None:
    project.recipe(GRAPH)
    project.run()
    project.run(only=["b"])
    project.run(resume_from="b")
    assert project.ctx["b"] == 1 and project.ctx["ran"] == ["a", "c", "b", "d"]


def test_an_unknown_step_is_refused_with_the_nearest_name(project: Project) -> None:
    project.recipe(GRAPH.replace("name: a,", "name: alpha,").replace("depends_on: a", "depends_on: alpha"))
    for option in ("only", "skip"):
        assert "alpha" in project.refused(**{option: ["alpah"]}).message
    assert "alpha" in project.refused(resume_from="alpah").message


def test_selections_that_leave_nothing_are_refused(project: Project) -> None:
    project.recipe(GRAPH)
    assert project.refused(only=["a"], skip=["a"]).exit_code == 2
    assert project.refused(only=["a"], resume_from="a").exit_code == 2
    project.run()
    assert project.refused(restart=True, resume_from="a").exit_code == 2


def test_resume_from_needs_an_earlier_run(project: Project) -> None:
    project.recipe(GRAPH)
    assert "no earlier run" in project.refused(resume_from="b").message


def test_resume_from_follows_the_dependencies(project: Project) -> None:
    project.recipe(GRAPH)
    project.run()
    project.run(resume_from="b")
    assert project.lines("ran.txt") == ["a", "b", "c", "d", "b", "d"]
    assert project.ctx == {"ran": ["a", "c", "b", "d"], "a": 1, "b": 1, "c": 1, "d": 1}


def test_resume_from_without_dependencies_takes_all_behind(project: Project) -> None:
    (project.folder / "go").touch()
    project.recipe(CHAIN)
    project.run()
    project.run(resume_from="b")
    assert project.lines("ran.txt") == ["a", "b", "c", "b", "c"]
    assert project.ctx == {"ran": ["a", "b", "c"], "a": 1, "b": 1, "c": 1}


def test_a_hand_fix_is_kept(project: Project) -> None:
    project.recipe(GRAPH)
    project.run()
    person = project.edit()
    person["a"] = 40
    person["b"] = 50
    person["ran"].append("anna")
    project.run(resume_from="b")
    assert project.ctx["a"] == 40 and project.ctx["b"] == 51
    assert project.ctx["ran"] == ["a", "c", "anna", "b", "d"]


def test_keep_ctx_undoes_nothing(project: Project) -> None:
    project.recipe(GRAPH)
    project.run()
    project.run(resume_from="b", keep_ctx=True)
    assert project.ctx == {"ran": ["a", "b", "c", "d", "b", "d"], "a": 1, "b": 2, "c": 1, "d": 2}


def test_the_items_of_a_step_are_undone_with_it(project: Project) -> None:
    (project.folder / "go").touch()
    project.recipe("""
        ctx: {list: [1, 2]}
        steps:
          - name: f
            module: BODY
            function: many
            params: {name: f, item: "{{ item }}"}
            for_each: ctx.list
            collect: got
          - {name: z, module: BODY, function: add, params: {name: z}, depends_on: f}
    """)
    project.run()
    assert project.ctx["got"] == [10, 20]
    person = project.edit()
    person["list"] = [2, 3, 4]
    project.run(resume_from="f")
    assert project.ctx["ran"] == ["f2", "f3", "f4", "z"] and project.ctx["got"] == [20, 30, 40]
    assert "f1" not in project.ctx


def test_hooks_of_the_step_are_undone_with_it(project: Project) -> None:
    project.recipe("""
        steps:
          - name: a
            module: BODY
            function: add
            params: {name: a}
            on_success: {module: BODY, function: add, params: {name: hook}}
    """)
    project.run()
    project.run(resume_from="a")
    assert project.ctx == {"ran": ["a", "hook"], "a": 1, "hook": 1}


def test_the_cached_step_is_undone_too(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: add, params: {name: a}, cache_key: k}
    """)
    project.run()
    project.run(restart=True)
    assert project.status() == {"a": "CACHED"}
    project.run(resume_from="a", use_cache=False)
    assert project.ctx == {"ran": ["a"], "a": 1} and project.status() == {"a": "DONE"}


def test_a_failed_item_alone_runs_again(project: Project) -> None:
    project.recipe("""
        steps:
          - name: f
            module: BODY
            function: many
            params: {name: f, item: "{{ item }}"}
            for_each: "[1, 2, 3]"
            collect: got
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.ctx["ran"] == ["f1", "f3"]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.lines("ran.txt") == ["f1", "f2", "f3", "f2"]
    assert project.ctx["got"] == [10, 20, 30] and project.steps["f"]["result"] == [10, 20, 30]
    assert project.steps["f"]["items"]["1"]["status"] == "DONE"


# -- a recipe that was changed ---------------------------------------------------------------------

SHELL = """
    steps:
      - name: s
        cmd: sh
        args: [-c, "cat"]
        cwd: .
        env: {A: x}
        stdin_file: r.yaml
        stdout_to_ctx: out
        shell_env_keys: [k]
      - name: p
        module: BODY
        function: many
        params: {name: p, item: 1}
        for_each: "[1]"
        collect: got
        when: "true"
        depends_on: s
      - {name: q, module: BODY, function: needs, params: {name: q, file: go}, depends_on: []}
"""
CHANGES = [
    ("cmd: sh", "cmd: dash", "s", "cmd", "'sh'", "'dash'"),
    ('"cat"', '"cat -"', "s", "args", "'cat'", "'cat -'"),
    ("cwd: .", "cwd: ./", "s", "cwd", "'.'", "'./'"),
    ("env: {A: x}", "env: {A: y}", "s", "env", "'x'", "'y'"),
    ("stdin_file: r.yaml", "stdin_file: s.yaml", "s", "stdin_file", "r.yaml", "s.yaml"),
    ("stdout_to_ctx: out", "stdout_to_ctx: out2", "s", "stdout_to_ctx", "'out'", "'out2'"),
    ("shell_env_keys: [k]", "shell_env_keys: [k, l]", "s", "shell_env_keys", "['k']", "['k', 'l']"),
    ("function: many", "function: add2", "p", "target", "many", "add2"),
    ("item: 1}", "item: 2}", "p", "params", "1", "2"),
    ("item: 1}", "item: true}", "p", "params", "1", "True"),
    ('for_each: "[1]"', 'for_each: "[1, 2]"', "p", "for_each", "[1]", "[1, 2]"),
    ("collect: got", "collect: have", "p", "collect", "'got'", "'have'"),
    ('when: "true"', 'when: "1 == 1"', "p", "when", "true", "1 == 1"),
    ("depends_on: s", "depends_on: []", "p", "depends_on", "['s']", "[]"),
]


@pytest.mark.parametrize(("old", "new", "step", "field", "was", "now"), CHANGES)
def test_a_touched_finished_step_is_refused(
    project: Project, old: str, new: str, step: str, field: str, was: str, now: str
) -> None:
    project.bodies(BODIES + "\n    def add2(ctx, name, item): pass\n")
    project.recipe(SHELL)
    assert project.run().status == "COMPLETE_ERROR"
    assert SHELL.count(old) == 1
    project.recipe(SHELL.replace(old, new))
    error = project.refused()
    assert error.exit_code == 2
    line = next(line for line in error.message.splitlines() if f"'{step}'" in line)
    assert field in line and was in line and now in line
    hints = " ".join(error.hints)
    assert "--accept-changes" in hints and "--resume-from" in hints and "--restart" in hints


def test_a_step_made_another_type_is_refused(project: Project) -> None:
    project.recipe(CHAIN)
    project.run()
    project.recipe(CHAIN.replace("name: a, module: BODY, function: add, params: {name: a}", "name: a, cmd: pwd"))
    assert "type was 'python', is 'shell'" in project.refused().message


def test_all_touched_steps_are_told_at_once(project: Project) -> None:
    project.recipe(SHELL)
    project.run()
    project.recipe(SHELL.replace("cmd: sh", "cmd: dash").replace("item: 1}", "item: 2}").replace("cwd: .", "cwd: ./"))
    error = project.refused()
    assert [word in error.message for word in ("cmd", "cwd", "params")] == [True] * 3


def test_a_finished_step_that_is_gone_is_refused(project: Project) -> None:
    project.recipe(CHAIN)
    project.run()
    project.recipe(CHAIN.replace("name: a,", "name: z,", 1))
    error = project.refused()
    assert "'a'" in error.message and "gone" in error.message


def test_one_that_now_depends_on_an_unfinished_one_is_refused(project: Project) -> None:
    project.recipe(CHAIN)
    project.run()
    project.recipe(CHAIN.replace("name: a,", "name: a, depends_on: c,", 1))
    error = project.refused()
    assert "depends on c" in error.message


def test_accepted_changes_leave_what_has_run(project: Project) -> None:
    project.recipe(CHAIN)
    project.run()
    (project.folder / "go").touch()
    project.recipe(CHAIN.replace("{name: a}", "{name: changed}"))
    project.refused()
    assert project.run(accept_changes=True).status == "COMPLETE_SUCCESS"
    assert project.ctx["ran"] == ["a", "b", "c"]


def test_resume_from_takes_the_changed_step_too(project: Project) -> None:
    project.recipe(CHAIN)
    project.run()
    (project.folder / "go").touch()
    project.recipe(CHAIN.replace("{name: a}", "{name: changed}"))
    assert project.run(resume_from="a").status == "COMPLETE_SUCCESS"
    assert project.ctx["ran"] == ["changed", "b", "c"] and "a" not in project.ctx


@pytest.mark.parametrize(("old", "new"), [
    ("name: a, module", "name: a, timeout: 100, retry: 3, module"),
    ("{name: c}", "{name: cc}"),
    ("{name: a}", "{'name': 'a'}"),
    ("name: c, module", "name: c, depends_on: b, module"),
])
def test_nothing_else_touches_a_finished_step(project: Project, old: str, new: str) -> None:
    project.recipe(CHAIN)
    project.run()
    (project.folder / "go").touch()
    project.recipe(CHAIN.replace(old, new))
    assert project.run().status == "COMPLETE_SUCCESS"


def test_steps_may_be_added_and_unfinished_ones_taken_out(project: Project) -> None:
    project.recipe(CHAIN)
    project.run()
    project.recipe(CHAIN.replace("name: b, module: BODY, function: needs, params: {name: b, file: go}",
                                 "name: new, module: BODY, function: add, params: {name: new}"))
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["ran"] == ["a", "new", "c"]
    assert set(project.status()) == {"a", "new", "c"}


def test_changed_code_is_told_and_not_refused(project: Project) -> None:
    project.recipe(CHAIN)
    project.run()
    project.bodies(BODIES + "\n    # mended\n")
    (project.folder / "go").touch()
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS"
    assert "the code of a has changed" in project.log(result.run_id)
    assert project.lines("ran.txt").count("a") == 1


def test_a_hand_edit_is_named(project: Project) -> None:
    project.recipe(CHAIN)
    project.run()
    place = place_of_instance(project.instance)
    assert edits_since(place) == []
    project.edit("anna")["ran"].append("x")
    assert edits_since(place) == [("ran", "anna")]
    (project.folder / "go").touch()
    project.run()
    assert project.lines("ran.txt").count("a") == 1, "an edit re-runs nothing"
    assert edits_since(place) == []


def test_the_directory_takes_a_selection_too(project: Project) -> None:
    project.recipe(GRAPH)
    project.run()
    project.go_on("r.octo", Asked(resume_from="d"), Options(draw=False))
    assert project.lines("ran.txt") == ["a", "b", "c", "d", "d"]


def test_errors_are_told_as_usage_errors(project: Project) -> None:
    project.recipe(GRAPH)
    error = project.refused(only=["nope"])
    assert isinstance(error, UsageError) and isinstance(error, OctoError)
