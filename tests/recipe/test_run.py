"""How steps of a recipe are run: order, conditions, what is success, retries, results, what stands in the state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from octo.store import ParameterStore

from .runs import Project

BODIES = """
    import asyncio, os, time
    def add(ctx, name="x"):
        ctx.append("ran", name)
        return name
    def fail(ctx, name="x"):
        ctx.append("ran", name)
        raise ValueError(f"{name} is bad")
    def third(ctx):
        with open("tries.txt", "a") as file:
            print("try", file=file)
        ctx.increment("tries")
        if len(open("tries.txt").readlines()) < 3:
            raise KeyError("not yet")
    def give(ctx, value):
        return value
    def kind(ctx, **params):
        ctx["kinds"] = {key: type(value).__name__ for key, value in params.items()}
        ctx["values"] = params
    def slow(ctx):
        time.sleep(30)
    def big(ctx):
        return "x" * 70000
    def odd(ctx):
        return {1, 2}
    def leave(ctx):
        raise SystemExit(3)
    class Node:
        def run(self, ctx, code=0):
            return code
    async def later(ctx):
        await asyncio.sleep(0)
        ctx["later"] = True
    def plain(a, b):
        return a + b
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


# -- order -----------------------------------------------------------------------------------------


def test_steps_run_in_the_order_of_the_list(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: b, module: BODY, function: add, params: {name: b}}
          - {name: a, module: BODY, function: add, params: {name: a}}
    """)
    project.run()
    assert project.ctx["ran"] == ["b", "a"]


def test_idx_orders_where_every_step_has_one(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: b, idx: 2, module: BODY, function: add, params: {name: b}}
          - {name: a, idx: 1, module: BODY, function: add, params: {name: a}}
    """)
    project.run()
    assert project.ctx["ran"] == ["a", "b"]


def test_a_dependency_comes_first_and_after_is_the_same(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: add, params: {name: a}, depends_on: [b], after: c}
          - {name: b, module: BODY, function: add, params: {name: b}}
          - {name: c, module: BODY, function: add, params: {name: c}}
    """)
    project.run()
    assert project.ctx["ran"] == ["b", "c", "a"]


def test_steps_stand_in_the_file_as_in_the_recipe(project: Project) -> None:
    project.recipe("steps:\n" + "".join(f"  - {{name: {name}, module: BODY, function: add}}\n" for name in "badc"))
    project.run(only=["a", "c"])
    assert list(project.steps) == ["b", "a", "d", "c"]


def test_the_state_of_a_step(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: add}\n")
    project.run()
    entry = project.steps["a"]
    assert entry["status"] == "DONE" and entry["attempt"] == 1 and entry["result"] == "x"
    assert entry["end"] >= entry["start"] and entry["seconds"] >= 0
    assert {"wall", "cpu", "rss"} <= set(entry["usage"])
    assert len(entry["fingerprint"]) == 64 and entry["reason"] == "new run"


# -- when ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["ctx.x > 1", "{{ ctx.x > 1 }}", "ctx.x == 2 and steps['a'].status == 'SKIPPED'"])
def test_a_step_that_when_skips_counts_as_met(project: Project, when: str) -> None:
    project.recipe(f"""
        ctx: {{x: 1}}
        steps:
          - {{name: a, module: BODY, function: add, params: {{name: a}}, when: "{when}"}}
          - {{name: b, module: BODY, function: add, params: {{name: b}}, depends_on: a}}
          - {{name: c, module: BODY, function: add, params: {{name: c}}, when: "steps['a'].status == 'SKIPPED'"}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.status() == {"a": "SKIPPED", "b": "DONE", "c": "DONE"}
    assert "when" in project.steps["a"]["reason"] and project.ctx["ran"] == ["b", "c"]


def test_a_when_that_cannot_be_told_fails_the_step(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: add, when: ctx.nothing > 1}\n")
    result = project.run()
    assert result.status == "COMPLETE_ERROR" and result.error is not None
    assert "nothing" in result.error["message"]


# -- failure ---------------------------------------------------------------------------------------


def test_after_a_failure_nothing_new_starts(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: fail, params: {name: a}}
          - {name: b, module: BODY, function: add}
    """)
    result = project.run()
    assert (result.status, result.exit_code) == ("COMPLETE_ERROR", 1)
    assert project.status() == {"a": "FAILED", "b": "WAITING"} and "ran" not in project.ctx
    error = project.steps["a"]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "a is bad") and "Traceback" in error["traceback"]


@pytest.mark.parametrize("in_recipe", [True, False])
def test_keep_going_goes_on_with_what_does_not_depend_on_it(project: Project, in_recipe: bool) -> None:
    project.recipe(f"""
        keep_going: {"true" if in_recipe else "false"}
        steps:
          - {{name: a, module: BODY, function: fail}}
          - {{name: b, module: BODY, function: add, params: {{name: b}}, depends_on: a}}
          - {{name: c, module: BODY, function: add, params: {{name: c}}}}
    """)
    result = project.run(keep_going=not in_recipe)
    assert result.exit_code == 1
    assert project.status() == {"a": "FAILED", "b": "WAITING", "c": "DONE"} and project.ctx["ran"] == ["c"]


def test_an_allowed_failure_is_not_tried_again_by_a_resume(project: Project) -> None:
    recipe = """
        steps:
          - {name: a, module: BODY, function: fail, allow_failure: true}
          - {name: b, module: BODY, function: add, depends_on: a}
          - {name: c, module: BODY, function: fail}
    """
    project.recipe(recipe)
    assert project.run().status == "COMPLETE_ERROR"
    first = project.steps["a"]
    project.run()
    assert project.steps["a"] == first and project.steps["c"]["start"] > first["end"]
    project.run(resume_from="a")
    assert project.steps["a"]["start"] > first["end"]


def test_a_run_that_was_cut_off_behind_its_last_step_ends(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: add}
        on_success: {cmd: touch, args: [well]}
    """)
    first = project.run()
    (project.folder / "well").unlink()
    ParameterStore(project.instance).set("global_parameters", "step_engine_state", "RUNNING")
    result = project.run()
    assert (result.status, result.steps, result.run_id) == ("COMPLETE_SUCCESS", 0, first.run_id)
    assert (project.folder / "well").exists() and project.ctx["ran"] == ["x"]


def test_allow_failure_counts_as_met(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: fail, allow_failure: true}
          - {name: b, module: BODY, function: give, params: {value: "{{ steps.a.error.message }}"}, depends_on: a}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS" and result.exit_code == 0
    assert project.status() == {"a": "FAILED", "b": "DONE"} and project.steps["b"]["result"] == "x is bad"
    assert "last_error" not in project.settings


def test_exit_codes_of_a_class_are_failures_and_those_of_a_function_are_not(project: Project) -> None:
    project.recipe("""
        keep_going: true
        steps:
          - {name: zero, module: BODY, function: Node}
          - {name: three, module: BODY, function: Node, params: {code: 3}}
          - {name: "true", module: BODY, function: Node, params: {code: true}}
          - {name: dict, module: BODY, function: Node, params: {code: {status: failed, success: false}}}
          - {name: function, module: BODY, function: give, params: {value: 3}}
    """)
    project.run()
    assert project.status() == {"zero": "DONE", "three": "FAILED", "true": "DONE", "dict": "DONE", "function": "DONE"}


def test_a_body_that_leaves_the_process_fails_only_its_step(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: leave}\n")
    assert project.run().status == "COMPLETE_ERROR"
    assert project.steps["a"]["error"]["type"] == "SystemExit"


def test_keys_that_ctx_must_have(project: Project) -> None:
    project.recipe("""
        keep_going: true
        steps:
          - {name: good, module: BODY, function: add, success: {ctx_has_keys: ran}}
          - {name: bad, module: BODY, function: add, success: {ctx_has_keys: [ran, other]}}
    """)
    project.run()
    assert project.status() == {"good": "DONE", "bad": "FAILED"}
    assert "other" in project.steps["bad"]["error"]["message"]
    assert project.ctx["ran"] == ["x"], "what it did is undone"


# -- retry and time-outs ---------------------------------------------------------------------------


@pytest.mark.parametrize("retry", ["3", "{attempts: 3, delay: 0.001}", "{attempts: 3, exceptions: [LookupError]}"])
def test_a_failed_attempt_is_undone_and_tried_again(project: Project, retry: str) -> None:
    project.recipe(f"steps:\n  - {{name: a, module: BODY, function: third, retry: {retry}}}\n")
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["tries"] == 1 and project.steps["a"]["attempt"] == 3
    assert project.settings["run_step_count"] == 2


@pytest.mark.parametrize("retry", ["2", "{attempts: 9, exceptions: ValueError}"])
def test_retries_end(project: Project, retry: str) -> None:
    project.recipe(f"steps:\n  - {{name: a, module: BODY, function: third, retry: {retry}}}\n")
    assert project.run().status == "COMPLETE_ERROR"
    assert "tries" not in project.ctx


@pytest.mark.parametrize("timeout", ["0.1", '"{{ ctx.limit }}"'])
def test_a_time_out_fails_the_step(project: Project, timeout: str) -> None:
    project.recipe(f"""
        ctx: {{limit: 0.1}}
        steps:
          - {{name: a, module: BODY, function: slow, timeout: {timeout}}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.steps["a"]["error"]["type"] == "StepTimeout" and project.steps["a"]["seconds"] < 20


@pytest.mark.parametrize("limit", ["soon", "0", "-1", "nan"])
def test_a_rendered_time_out_must_be_a_number_of_seconds(project: Project, limit: str) -> None:
    project.recipe(f"""
        ctx: {{limit: "{limit}"}}
        steps:
          - {{name: a, module: BODY, function: add, timeout: "{{{{ ctx.limit }}}}"}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert "timeout" in project.steps["a"]["error"]["message"] and limit in project.steps["a"]["error"]["message"]


# -- params and results ----------------------------------------------------------------------------


def test_a_lone_template_keeps_its_type_and_is_rendered_once(project: Project) -> None:
    project.recipe("""
        ctx: {n: 3, rows: [1, {a: 2}], text: "{{ ctx.n }}"}
        steps:
          - name: a
            module: BODY
            function: kind
            params: {n: "{{ ctx.n }}", rows: "{{ ctx.rows }}", text: "n={{ ctx.n }}", raw: "{{ ctx.text }}",
                     id: "{{ run.id }}", dir: "{{ run.dir }}", deep: {list: ["{{ ctx.n + 1 }}"]}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error and result.error["message"]
    assert project.ctx["values"] == {
        "n": 3, "rows": [1, {"a": 2}], "text": "n=3", "raw": "{{ ctx.n }}", "id": result.run_id,
        "dir": str(project.instance), "deep": {"list": [4]}}
    assert project.ctx["kinds"]["n"] == "int"


def test_an_undefined_name_fails_the_step(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: kind, params: {n: '{{ ctx.nothing }}'}}\n")
    assert project.run().status == "COMPLETE_ERROR"
    assert "nothing" in project.steps["a"]["error"]["message"]


def test_positional_arguments_come_without_ctx(project: Project) -> None:
    project.recipe("""
        ctx: {n: 3}
        steps:
          - {name: a, module: BODY, function: plain, args: [1, "{{ ctx.n }}"]}
          - {name: b, module: BODY, function: later}
    """)
    project.run()
    assert project.steps["a"]["result"] == 4 and project.ctx["later"] is True


def test_results_that_are_large_or_no_json_are_kept_as_type_and_size(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: big, module: BODY, function: big}
          - {name: odd, module: BODY, function: odd}
          - {name: none, module: BODY, function: give, params: {value: null}}
          - {name: next, module: BODY, function: give, params: {value: "{{ steps['odd'].result.type }}"}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    results = {name: entry["result"] for name, entry in project.steps.items()}
    assert results == {"big": {"type": "str", "size": 70002}, "odd": {"type": "set", "size": 2}, "none": None,
                       "next": "set"}


def test_what_ran_is_counted_and_the_running_step_shown(project: Project) -> None:
    project.bodies(BODIES + """
    def look(ctx):
        from octo.store import ParameterStore
        found = ParameterStore("r.octo").get("global_parameters")
        return [found["current_step_node"], found["current_step_state"], found["run_step_count"]]
    """)
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: add}
          - {name: skipped, module: BODY, function: add, when: "false"}
          - {name: b, module: BODY, function: look}
    """)
    project.run()
    assert project.steps["b"]["result"] == ["b", "EXECUTE", 2]
    assert project.settings["run_step_count"] == 3 and project.settings["current_step_state"] == "INACTIVE"


@pytest.mark.parametrize("spelling", ["steps.loda.status", "steps['loda'].status", "ctx.map.loda", "ctx['map'].loda"])
def test_a_template_that_names_what_is_not_there_says_so(project: Project, spelling: str) -> None:
    project.recipe(f"""
        ctx: {{map: {{load: 1}}}}
        steps:
          - {{name: load, cmd: "true"}}
          - {{name: a, cmd: "true", when: "{spelling} == 1"}}
    """)
    project.run()
    message = project.steps["a"]["error"]["message"]
    assert message.endswith("failed: there is no 'loda' in it")


@pytest.mark.parametrize("parallel", [False, True])
def test_a_time_out_names_the_step(project: Project, parallel: bool) -> None:
    project.recipe(f"""
        steps:
          - {{name: a, module: BODY, function: slow, timeout: 0.1, parallel: {str(parallel).lower()}}}
    """)
    project.run()
    assert project.steps["a"]["error"]["message"] == "a took longer than its time-out of 0.1 s"


def test_a_breakpoint_at_exit_stops_after_a_cached_and_an_allowed_end_too(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: add, params: {name: a}, cache_key: k, breakpoint: exit}
          - {name: f, cmd: "false", allow_failure: true, breakpoint: exit}
          - {name: b, module: BODY, function: add, params: {name: b}}
    """)
    for status in ("DONE", "CACHED"):
        assert project.run().status == "PAUSED" and project.status() == {"a": status, "f": "WAITING", "b": "WAITING"}
        assert project.run().status == "PAUSED" and project.status() == {"a": status, "f": "FAILED", "b": "WAITING"}
        assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["ran"] == ["a", "b"]


def test_breakpoints_stop_once(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: add, params: {name: a}, breakpoint: exit}
          - {name: b, module: BODY, function: add, params: {name: b}, breakpoint: entry}
    """)
    first = project.run()
    assert (first.status, project.ctx["ran"]) == ("PAUSED", ["a"])
    second = project.run()
    if second.status == "PAUSED":  # one for each breakpoint
        assert project.ctx["ran"] == ["a"]
        second = project.run()
    assert second.status == "COMPLETE_SUCCESS" and project.ctx["ran"] == ["a", "b"]


def test_history_names_the_step(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: add}
          - {name: f, module: BODY, function: add, for_each: "[1]"}
    """)
    project.run()
    assert [entry["who"] for entry in project.edit().get_history("ran")] == ["a", "f[0]"]
    assert json.dumps(ParameterStore(project.instance).read())
