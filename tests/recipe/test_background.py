"""Steps that run as long as the run does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from octo.store.author import running_step

from .runs import Project

BODIES = """
    import time
    from pathlib import Path
    def watch(ctx, name="w"):
        with open("ran.txt", "a") as file:
            print(name, file=file)
        ctx.increment("started")
        Path("watching").touch()
        ctx.stop.wait(60)
        ctx["stopped"] = True
        return "asked"
    def item(ctx, item):
        with open("ran.txt", "a") as file:
            print(item, file=file)
        ctx[f"up{item}"] = True
        ctx.stop.wait(60)
    def late(ctx):
        ctx["late"] = True
        ctx.stop.wait(60)
        raise ValueError("too late")
    def short(ctx):
        ctx["short"] = 1
        return 5
    def bad(ctx):
        raise ValueError("no")
    def deaf(ctx):
        time.sleep(30)
    def add(ctx, name="x"):
        ctx.append("ran", name)
    def see(ctx, key):
        give_up = time.monotonic() + 30
        while key not in ctx:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        return ctx[key]
    def gate(ctx):
        if not Path("go").exists():
            raise RuntimeError("not yet")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_it_counts_as_met_once_started_and_is_asked_to_stop(project: Project, executor: str) -> None:
    project.recipe(f"""
        steps:
          - {{name: w, module: BODY, function: watch, background: true, executor: {executor}}}
          - {{name: a, module: BODY, function: add, depends_on: w}}
          - {{name: b, cmd: sh, args: [-c, "while ! [ -e watching ]; do sleep 0.02; done"], timeout: 30}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert project.status() == {"w": "STOPPED", "a": "DONE", "b": "DONE"}
    assert project.ctx["stopped"] is True and project.ctx["ran"] == ["x"]
    assert project.steps["w"]["result"] == "asked"


def test_ctx_is_shared_live(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: w, module: BODY, function: watch, background: true}
          - {name: a, module: BODY, function: see, params: {key: started}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["a"]["result"] == 1


def test_a_program_gets_a_signal(project: Project) -> None:
    project.recipe("""
        steps:
          - name: w
            cmd: sh
            args: [-c, "trap 'echo bye; exit 0' TERM; touch ready; while :; do sleep 0.05; done"]
            background: true
          - {name: a, cmd: sh, args: [-c, "while ! [ -e ready ]; do sleep 0.02; done"], timeout: 30}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS" and project.status()["w"] == "STOPPED"
    assert "w: bye" in project.log(result.run_id)


def test_one_that_ends_by_itself_is_done(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: w, module: BODY, function: short, background: true}
          - {name: a, module: BODY, function: see, params: {key: short}}
          - {name: b, cmd: sleep, args: [0.2]}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.status()["w"] == "DONE" and project.steps["w"]["result"] == 5


def test_one_that_raises_is_a_failed_step(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: w, module: BODY, function: bad, background: true}
          - {name: b, cmd: sleep, args: [0.2]}
    """)
    result = project.run()
    assert result.status == "COMPLETE_ERROR" and result.error is not None
    assert result.error["node"] == "w" and project.status()["w"] == "FAILED"


def test_one_that_does_not_stop_is_left_behind_with_a_warning(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: w, module: BODY, function: deaf, background: true, stop_timeout: 0.1}
          - {name: a, module: BODY, function: add}
    """)
    began = time.monotonic()
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS" and time.monotonic() - began < 20
    assert project.status()["w"] == "STOPPED" and "w did not stop" in project.log(result.run_id)
    assert running_step() is None  # what this process writes from now on is not its


def test_a_resume_starts_it_again_first(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: w, module: BODY, function: watch, background: true}
          - {name: b, cmd: sh, args: [-c, "while ! [ -e watching ]; do sleep 0.02; done"], timeout: 30}
          - {name: a, module: BODY, function: gate}
          - {name: c, cmd: sh, args: [-c, "while ! [ -e watching ]; do sleep 0.02; done"], timeout: 30}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "watching").unlink()
    (project.folder / "go").touch()
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert project.lines("ran.txt") == ["w", "w"]


def test_a_resume_from_a_step_starts_what_the_step_needs_again(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: w, module: BODY, function: watch, background: true}
          - {name: b, cmd: sh, args: [-c, "while ! [ -e watching ]; do sleep 0.02; done"], timeout: 30, depends_on: w}
          - {name: c, module: BODY, function: add, depends_on: b}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    (project.folder / "watching").unlink()
    result = project.run(resume_from="b")
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert project.lines("ran.txt") == ["w", "w"] and project.status()["w"] == "STOPPED"


FAN = """
    steps:
      - {name: w, module: BODY, function: item, params: {item: "{{ item }}"}, background: true, for_each: [0, 1]}
      - {name: a, module: BODY, function: see, params: {key: up0}}
      - {name: b, module: BODY, function: see, params: {key: up1}}
      - {name: c, module: BODY, function: gate}
"""


def test_its_items_run_beside_the_foreground_and_stop_with_the_run(project: Project) -> None:
    project.recipe(FAN)
    (project.folder / "go").touch()
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert project.status()["w"] == "STOPPED"
    assert [item["status"] for item in project.steps["w"]["items"].values()] == ["STOPPED"] * 2


def test_a_resume_starts_its_items_again(project: Project) -> None:
    project.recipe(FAN)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.status()["w"] == "STOPPED"
    (project.folder / "go").touch()
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert sorted(project.lines("ran.txt")) == ["0", "0", "1", "1"]


def test_one_that_raises_when_it_is_to_stop_is_stopped_with_its_times(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: w, module: BODY, function: late, background: true}
          - {name: a, module: BODY, function: see, params: {key: late}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS"
    entry = project.steps["w"]
    assert (entry["status"], entry["attempt"]) == ("STOPPED", 1) and entry["start"] <= entry["end"]
    assert entry["reason"] == "it raised ValueError when it was to stop" and entry["seconds"] > 0


def test_a_selection_leaves_a_stopped_one_alone(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: w, module: BODY, function: watch, background: true}
          - {name: a, module: BODY, function: add}
    """)
    first = project.run()
    project.run(only=["a"])
    assert project.status()["w"] == "STOPPED"
    assert project.run().run_id != first.run_id
