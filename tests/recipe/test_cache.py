"""Steps with a cache_key: when an earlier result stands, and what is applied again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .runs import Project

BODIES = """
    def load(ctx, what="a"):
        with open("ran.txt", "a") as file:
            print(what, file=file)
        ctx.append("rows", what)
        ctx["deep"] = {"list": [1]}
        ctx["deep"]["list"].append(2)
        del ctx["gone"]
        ctx.increment("count", 2)
        ctx.record("log", "loaded")
        return {"what": what}
    def other(ctx, what="a"):
        ctx["other"] = what
    def fail(ctx):
        with open("ran.txt", "a") as file:
            print("fail", file=file)
        raise ValueError("bad")
    def thing(ctx):
        ctx["made"] = 1
        return {1, 2}
    def big(ctx):
        return "x" * 100000
"""
ONE = """
    ctx: {gone: 1, key: k, what: a}
    steps:
      - {name: a, module: BODY, function: load, params: {what: "{{ ctx.what }}"}, cache_key: "{{ ctx.key }}"}
      - {name: b, module: BODY, function: other, params: {what: "{{ steps['a'].result.what }}"}, depends_on: a}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


def test_an_earlier_result_stands_with_its_changes(project: Project) -> None:
    project.recipe(ONE)
    project.run()
    first = project.ctx
    result = project.run()
    assert project.lines("ran.txt") == ["a"]
    assert project.status() == {"a": "CACHED", "b": "DONE"} and "k" in project.steps["a"]["reason"]
    assert project.steps["a"]["result"] == {"what": "a"}
    del first["log"]  # a record is no change of the data
    assert project.ctx == first and "rows" in first and "gone" not in first
    assert result.status == "COMPLETE_SUCCESS"
    assert project.edit().get_history("rows")[-1]["who"] == "a"


@pytest.mark.parametrize("change", ["key: k2", "what: b"])
def test_another_key_or_other_params_run_it(project: Project, change: str) -> None:
    project.recipe(ONE)
    project.run()
    name, _, value = change.partition(": ")
    project.run(values={name: value})
    assert len(project.lines("ran.txt")) == 2 and project.status()["a"] == "DONE"
    project.run()
    assert len(project.lines("ran.txt")) == 2, "the older result is still there"


def test_another_source_runs_it(project: Project) -> None:
    project.recipe(ONE)
    project.run()
    project.bodies(BODIES + "\n    # mended\n")
    project.run()
    assert len(project.lines("ran.txt")) == 2


def test_another_function_of_the_same_file_runs_it(project: Project) -> None:
    project.recipe(ONE)
    project.run()
    project.recipe(ONE.replace("function: load", "function: other"))
    project.run(keep_going=True)
    assert project.status()["a"] == "DONE" and project.ctx["other"] == "a"


def test_no_cache(project: Project) -> None:
    project.recipe(ONE)
    project.run()
    project.run(use_cache=False)
    assert project.status()["a"] == "DONE" and len(project.lines("ran.txt")) == 2


def test_a_failure_is_not_kept(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: fail, cache_key: k}\n")
    project.run()
    project.run()
    assert len(project.lines("ran.txt")) == 2


@pytest.mark.slow
def test_the_newest_hundred_are_kept_as_json(project: Project) -> None:
    project.recipe("""
        ctx: {first: 0}
        steps:
          - name: a
            module: BODY
            function: other
            params: {what: "{{ item }}"}
            for_each: range(ctx.first, 120)
            cache_key: "{{ item }}"
    """)
    project.run()
    (file,) = (project.instance / ".octo_step_cache").iterdir()
    assert [entry["key"] for entry in json.loads(file.read_text())] == [str(number) for number in range(20, 120)]
    project.run(values={"first": 20})
    assert {item["status"] for item in project.steps["a"]["items"].values()} == {"CACHED"}
    project.run()
    assert project.steps["a"]["items"]["0"]["status"] == "DONE"


def test_a_large_result_is_not_put_into_the_state_by_the_cache(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: big, cache_key: k}\n")
    project.run()
    first = project.steps["a"]["result"]
    project.run()
    assert project.status() == {"a": "CACHED"} and project.steps["a"]["result"] == first == {
        "type": "str", "size": 100002}


def test_a_result_that_is_no_json_stands_as_its_type_and_size(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: thing, cache_key: k}\n")
    project.run()
    first = project.steps["a"]["result"]
    project.run()
    assert project.status() == {"a": "CACHED"} and project.steps["a"]["result"] == first == {"type": "set", "size": 2}
    assert project.ctx == {"made": 1}


def test_one_that_cannot_be_collected_is_not_kept(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: thing, cache_key: k, for_each: [1], collect: all}
    """)
    assert project.run().status == project.run(restart=True).status == "COMPLETE_ERROR"


def test_a_broken_cache_runs_the_step(project: Project) -> None:
    project.recipe(ONE)
    project.run()
    (file,) = (project.instance / ".octo_step_cache").iterdir()
    file.write_text("{")
    assert project.run().status == "COMPLETE_SUCCESS"
    assert len(project.lines("ran.txt")) == 2


def test_programs_are_cached_too(project: Project) -> None:
    project.recipe("""
        ctx: {x: 1}
        steps:
          - {name: a, cmd: sh, args: [-c, "echo ran >> ran.txt; echo $0", "{{ ctx.x }}"], stdout_to_ctx: out,
             cache_key: k}
    """)
    project.run()
    project.run()
    assert project.lines("ran.txt") == ["ran"] and project.ctx["out"] == "1\n"
    project.run(values={"x": 2})
    assert project.lines("ran.txt") == ["ran", "ran"] and project.ctx["out"] == "2\n"


def test_process_steps_are_cached_too(project: Project) -> None:
    project.recipe(ONE.replace("function: load,", "function: load, executor: process,"))
    project.run()
    project.run()
    assert project.lines("ran.txt") == ["a"] and project.ctx["rows"] == ["a"] and project.ctx["count"] == 2
