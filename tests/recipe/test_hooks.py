"""Hooks: what is run when the outcome of a step, or of the run, is final."""

from __future__ import annotations

from pathlib import Path

import pytest

from .runs import Project

BODIES = """
    def add(ctx, name):
        ctx.append("ran", name)
    def fail(ctx, name="x"):
        ctx.append("ran", name)
        ctx["trace"] = name
        raise ValueError(f"{name} is bad")
    def leave(ctx):
        raise SystemExit(3)
    def third(ctx):
        with open("tries.txt", "a") as file:
            print("try", file=file)
        if len(open("tries.txt").readlines()) < 3:
            raise KeyError("not yet")
    def see(ctx, **seen):
        ctx.append("seen", {**seen, "trace": ctx.get("trace")})
"""
SEE = '{module: BODY, function: see, params: {step: "{{ step }}", status: "{{ status }}", error: "{{ error }}"}}'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


def test_on_success_sees_the_step(project: Project) -> None:
    project.recipe(f"""
        steps:
          - {{name: a, module: BODY, function: add, params: {{name: a}}, on_success: {SEE}, on_failure: {SEE}}}
    """)
    project.run()
    assert project.ctx["seen"] == [{"step": "a", "status": "DONE", "error": None, "trace": None}]
    assert project.edit().get_history("seen")[0]["who"] == "a:on_success"


def test_on_failure_runs_after_the_undo_and_sees_the_error(project: Project) -> None:
    project.recipe(f"steps:\n  - {{name: a, module: BODY, function: fail, on_failure: {SEE}}}\n")
    project.run()
    (seen,) = project.ctx["seen"]
    assert (seen["step"], seen["status"], seen["trace"]) == ("a", "FAILED", None)
    assert seen["error"]["type"] == "ValueError" and seen["error"]["message"] == "x is bad"


def test_hooks_wait_for_the_last_attempt(project: Project) -> None:
    project.recipe(f"""
        steps:
          - {{name: a, module: BODY, function: third, retry: 3, on_success: {SEE}, on_failure: {SEE}}}
    """)
    project.run()
    assert [seen["status"] for seen in project.ctx["seen"]] == ["DONE"]


def test_a_list_of_hooks_runs_in_order_and_may_hold_programs(project: Project) -> None:
    project.recipe("""
        steps:
          - name: a
            module: BODY
            function: add
            params: {name: a}
            on_success:
              - {module: BODY, function: add, params: {name: one}}
              - {cmd: sh, args: [-c, 'echo "$0"', "{{ step }} {{ status }}"], stdout_to_ctx: said}
    """)
    project.run()
    assert project.ctx == {"ran": ["a", "one"], "said": "a DONE\n"}


@pytest.mark.parametrize("function", ["fail", "leave"])
def test_a_failing_hook_is_a_warning(project: Project, function: str) -> None:
    project.recipe(f"""
        steps:
          - {{name: a, module: BODY, function: add, params: {{name: a}},
              on_success: {{module: BODY, function: {function}}}}}
          - {{name: b, module: BODY, function: add, params: {{name: b}}}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS" and project.ctx == {"ran": ["a", "b"]}
    assert "a:on_success failed" in project.log(result.run_id)


def test_a_failing_hook_takes_none_of_the_others_with_it(project: Project) -> None:
    hooks = """
        - {module: BODY, function: add, params: {name: first}}
        - {module: BODY, function: fail}
        - {module: BODY, function: add, params: {name: last}}
    """
    indented = hooks.replace("\n        -", "\n              -")
    project.recipe(f"""
        on_success:{hooks}
        steps:
          - name: a
            module: BODY
            function: add
            params: {{name: a}}
            on_success:{indented}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx == {"ran": ["a", "first", "last", "first", "last"]}


def test_a_hook_may_have_a_condition(project: Project) -> None:
    project.recipe("""
        on_success:
          - {module: BODY, function: add, params: {name: no}, when: "status == 'COMPLETE_ERROR'"}
          - {module: BODY, function: add, params: {name: run}, when: "status == 'COMPLETE_SUCCESS'"}
        steps:
          - name: a
            module: BODY
            function: add
            params: {name: a}
            on_success:
              - {module: BODY, function: add, params: {name: no}, when: "ctx.ran == []"}
              - {module: BODY, function: add, params: {name: yes}, when: "step == 'a'"}
    """)
    project.run()
    assert project.ctx == {"ran": ["a", "yes", "run"]}


def test_a_hook_may_be_tried_again_and_say_what_its_success_is(project: Project) -> None:
    project.recipe("""
        steps:
          - name: a
            module: BODY
            function: add
            params: {name: a}
            on_success:
              - {module: BODY, function: third, retry: 3}
              - {module: BODY, function: add, params: {name: no}, success: {ctx_has_keys: [missing]}}
    """)
    result = project.run()
    assert len(project.lines("tries.txt")) == 3 and project.ctx == {"ran": ["a"]}
    assert "a:on_success failed: StepFailed" in project.log(result.run_id)
    assert "KeyError" not in project.log(result.run_id)


def test_an_allowed_failure_has_its_hook(project: Project) -> None:
    project.recipe(f"steps:\n  - {{name: a, module: BODY, function: fail, allow_failure: true, on_failure: {SEE}}}\n")
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["seen"][0]["status"] == "FAILED"


def test_items_have_one_hook_for_the_whole_step(project: Project) -> None:
    project.recipe(f"""
        steps:
          - {{name: a, module: BODY, function: add, params: {{name: a}}, for_each: "[1, 2, 3]", on_success: {SEE}}}
    """)
    project.run()
    assert len(project.ctx["seen"]) == 1 and project.ctx["seen"][0]["step"] == "a"


def test_the_run_has_hooks(project: Project) -> None:
    project.recipe(f"""
        on_success: {SEE}
        on_failure: {SEE}
        steps:
          - {{name: a, module: BODY, function: add, params: {{name: a}}}}
    """)
    project.run()
    assert [(seen["status"], seen["error"]) for seen in project.ctx["seen"]] == [("COMPLETE_SUCCESS", None)]
    assert project.edit().get_history("seen")[0]["who"] == "run:on_success"


def test_the_hook_of_a_run_that_failed_sees_the_error(project: Project) -> None:
    project.recipe(f"""
        on_success: {SEE}
        on_failure: {SEE}
        steps:
          - {{name: a, module: BODY, function: fail}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (seen,) = project.ctx["seen"]
    assert seen["status"] == "COMPLETE_ERROR" and seen["error"]["message"] == "x is bad"
    assert project.settings["step_engine_state"] == "COMPLETE_ERROR"


def test_without_hooks(project: Project) -> None:
    project.recipe(f"""
        on_success: {SEE}
        steps:
          - {{name: a, module: BODY, function: add, params: {{name: a}}, on_success: {SEE}}}
    """)
    project.run(use_hooks=False)
    assert "seen" not in project.ctx


def test_a_hook_may_run_in_a_process(project: Project) -> None:
    project.recipe("""
        steps:
          - name: a
            module: BODY
            function: add
            params: {name: a}
            on_success: {module: BODY, function: add, params: {name: hook}, executor: process}
    """)
    result = project.run()
    assert project.ctx == {"ran": ["a", "hook"]}, project.log(result.run_id)
