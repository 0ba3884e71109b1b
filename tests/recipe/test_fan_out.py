"""Steps that are run for each item of a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from .runs import Project

BODIES = """
    def take(ctx, item, index=0):
        ctx.append("ran", item)
        return [item, index]
    def pick(ctx, item):
        if item == 2:
            raise ValueError("two")
        ctx.append("ran", item)
        return item
    def third(ctx, item):
        with open(f"tries{item}.txt", "a") as file:
            print("try", file=file)
        ctx.increment("tries")
        if item == 1 and len(open(f"tries{item}.txt").readlines()) < 3:
            raise ValueError("not yet")
    def until(ctx, item):
        import os
        if not os.path.exists("go"):
            raise ValueError("not yet")
        return item
    def after(ctx):
        return ctx.get("got")
    def edit(ctx, item):
        ctx["list"] = [9, 9, 9, 9]
        return item
    def same(ctx, item):
        ctx["same"] = item
    def own(ctx, item):
        ctx.setdefault("by", {})[str(item)] = item
    def big(ctx, item):
        return "x" * 40000
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_items_and_their_results_in_order(project: Project, parallel: bool, executor: str) -> None:
    project.recipe(f"""
        ctx: {{list: [a, b, c, d]}}
        steps:
          - name: f
            module: BODY
            function: take
            params: {{item: "{{{{ item }}}}", index: "{{{{ index }}}}"}}
            for_each: ctx.list
            collect: got
            parallel: {str(parallel).lower()}
            executor: {executor}
          - {{name: z, module: BODY, function: after, depends_on: f}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    wanted = [["a", 0], ["b", 1], ["c", 2], ["d", 3]]
    assert project.ctx["got"] == project.steps["f"]["result"] == project.steps["z"]["result"] == wanted
    assert sorted(project.ctx["ran"]) == list("abcd") and (parallel or project.ctx["ran"] == list("abcd"))
    items = project.steps["f"]["items"]
    assert list(items) == ["0", "1", "2", "3"] and {item["status"] for item in items.values()} == {"DONE"}
    assert items["1"]["result"] == ["b", 1]
    assert {entry["who"] for entry in project.edit().get_history("ran")} == {f"f[{n}]" for n in range(4)}
    assert project.settings["run_step_count"] == 1 + 4 + 2, "one for each item, and one for each step"


def test_a_failed_item_lets_the_others_finish(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: pick, params: {item: "{{ item }}"}, for_each: "[1, 2, 3]"}
          - {name: z, module: BODY, function: after, depends_on: f}
    """)
    result = project.run()
    assert result.status == "COMPLETE_ERROR" and project.ctx["ran"] == [1, 3]
    assert project.status() == {"f": "FAILED", "z": "WAITING"}
    assert {key: item["status"] for key, item in project.steps["f"]["items"].items()} == {
        "0": "DONE", "1": "FAILED", "2": "DONE"}
    assert "f[1]" in project.steps["f"]["error"]["message"]
    assert project.steps["f"]["items"]["1"]["error"]["message"] == "two"


def test_a_failed_item_that_is_allowed(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: pick, params: {item: "{{ item }}"}, for_each: "[1, 2, 3]",
             allow_failure: true}
          - {name: z, module: BODY, function: after, depends_on: f}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.status() == {"f": "FAILED", "z": "DONE"}


def test_each_item_has_its_own_retries(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: third, params: {item: "{{ item }}"}, for_each: "[0, 1]", retry: 3}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [item["attempt"] for item in project.steps["f"]["items"].values()] == [1, 3]
    assert project.ctx["tries"] == 2


def test_the_list_is_read_once(project: Project) -> None:
    project.recipe("""
        ctx: {list: [1, 2]}
        steps:
          - {name: f, module: BODY, function: edit, params: {item: "{{ item }}"}, for_each: "{{ ctx.list }}"}
    """)
    project.run()
    assert project.steps["f"]["result"] == [1, 2]


LIST = """
    steps:
      - {{name: f, module: BODY, function: until, params: {{item: "{{{{ item }}}}"}}, for_each: {list}, collect: all}}
"""


def test_a_changed_list_of_a_step_that_has_begun_is_told(project: Project) -> None:
    project.recipe(LIST.format(list="[1, 2]"))
    assert project.run().status == "COMPLETE_ERROR"
    project.recipe(LIST.format(list="[1, 3]"))
    result = project.run()
    assert result.status == "COMPLETE_ERROR" and list(project.steps["f"]["items"]) == ["0", "1"]
    told = "for_each of f was changed; its items stay those that it began with; --resume-from f begins it anew"
    assert told in project.log(result.run_id)
    (project.folder / "go").touch()
    assert project.run(resume_from="f").status == "COMPLETE_SUCCESS"
    assert project.ctx["all"] == [1, 3]


def test_items_that_are_done_stay_so_while_the_step_is_left_out(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: third, params: {item: "{{ item }}"}, for_each: [1, 2], retry: 2}
          - {name: z, cmd: "true"}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.run(skip=["f"]).status == "COMPLETE_SUCCESS" and project.status() == {"f": "LEFT_OUT", "z": "DONE"}
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["tries"] == 2 and project.lines("tries2.txt") == ["try"]


@pytest.mark.parametrize("collect", ["", ", collect: got"])
def test_an_empty_list(project: Project, collect: str) -> None:
    project.recipe(f"""
        steps:
          - {{name: f, module: BODY, function: take, params: {{item: "{{{{ item }}}}"}}, for_each: "[]"{collect}}}
          - {{name: z, module: BODY, function: after, depends_on: f}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.status() == {"f": "DONE", "z": "DONE"} and project.steps["f"]["result"] == []
    assert project.ctx == ({"got": []} if collect else {})


@pytest.mark.parametrize("expression", ["'text'", "3", "{'a': 1}", "none"])
def test_what_is_no_list_fails_the_step(project: Project, expression: str) -> None:
    project.recipe(f"""
        steps:
          - {{name: f, module: BODY, function: take, params: {{item: "{{{{ item }}}}"}}, for_each: "{expression}"}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert "list" in project.steps["f"]["error"]["message"]


def test_items_side_by_side_clash_like_steps(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: same, params: {item: "{{ item }}"}, for_each: "[1, 2]", parallel: true}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    types = [item["error"]["type"] for item in project.steps["f"]["items"].values() if "error" in item]
    assert types == ["CtxClash"]


def test_items_one_after_the_other_do_not(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: same, params: {item: "{{ item }}"}, for_each: "[1, 2]"}
    """)
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["same"] == 2


def test_items_may_fill_one_dict(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: own, params: {item: "{{ item }}"}, for_each: range(20), parallel: true}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert project.ctx["by"] == {str(number): number for number in range(20)}


def test_large_results_are_collected_whole(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: big, params: {item: "{{ item }}"}, for_each: "[1, 2]", collect: got}
    """)
    project.run()
    assert project.ctx["got"] == ["x" * 40000] * 2
    assert project.steps["f"]["result"] == {"type": "list", "size": 80007}


def test_when_is_asked_once_for_all_items(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: f, module: BODY, function: take, params: {item: "{{ item }}"}, for_each: "[1]", when: "false"}
    """)
    assert project.run().status == "COMPLETE_SUCCESS" and project.status() == {"f": "SKIPPED"}
