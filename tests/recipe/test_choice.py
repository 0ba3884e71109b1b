"""What a run would do, before it does anything; and what may run side by side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from octo.recipe.choice import Asked
from octo.recipe.instance import place_of_recipe
from octo.recipe.run import planned

from .runs import Project, chdir

BODIES = """
    import threading, time
    lock, now, most = threading.Lock(), [0], [0]
    def count(ctx):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.03)
        with lock:
            now[0] -= 1
    def peak(ctx):
        return most[0]
    def meet(ctx, number):
        if not hasattr(meet, "barrier"):
            with lock:
                meet.barrier = getattr(meet, "barrier", None) or threading.Barrier(number)
        meet.barrier.wait(30)
    def add(ctx):
        ctx.append("ran", 1)
"""
CHAIN = """
    steps:
      - {name: a, module: BODY, function: add}
      - {name: b, module: BODY, function: add, depends_on: a}
      - {name: c, module: BODY, function: add}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


def test_a_plan_makes_nothing(project: Project) -> None:
    project.recipe(CHAIN)
    with chdir(project.folder), planned(place_of_recipe("r.yaml"), Asked(skip=["b"], again=True)) as (_, choice):
        assert choice.run == {"a": "new run", "c": "new run"} and choice.is_new
        assert choice.left_out == {"b": "--skip names it"}
    assert not project.instance.exists()


def test_a_plan_changes_nothing(project: Project) -> None:
    project.recipe(CHAIN)
    project.run(skip=["b"])
    before = project.steps
    with chdir(project.folder), planned(place_of_recipe("r.yaml"), Asked(again=True)) as (_, choice):
        assert choice.run == {"b": "left out before"} and not choice.is_new
        assert choice.done == {"a": "done before", "c": "done before"}
    assert project.steps == before


def test_parallel_steps_run_together(project: Project) -> None:
    project.recipe("defaults: {parallel: true}\nsteps:\n" + "".join(
        f"  - {{name: s{n}, module: BODY, function: meet, params: {{number: 4}}}}\n" for n in range(4)))
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error


@pytest.mark.parametrize("limit", ["max_parallel: 2", "cpu", "mem"])
def test_limits_of_what_runs_together(project: Project, limit: str) -> None:
    import psutil

    resources = {"cpu": f"cpu: {(os.cpu_count() or 1) * 0.4}", "mem": f"mem: {psutil.virtual_memory().total * 4 // 10}"}
    each = f", resources: {{{resources[limit]}}}" if limit in resources else ""
    project.recipe((f"{limit}\n" if limit not in resources else "") + "steps:\n" + "".join(
        f"  - {{name: s{n}, module: BODY, function: count, parallel: true{each}}}\n" for n in range(8)
    ) + "  - {name: z, module: BODY, function: peak}\n")
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert 1 <= project.steps["z"]["result"] <= 2


def test_a_step_that_is_not_parallel_runs_alone(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: count, parallel: true}
          - {name: b, module: BODY, function: count}
          - {name: c, module: BODY, function: count, parallel: true}
          - {name: z, module: BODY, function: peak}
    """)
    project.run()
    assert project.steps["z"]["result"] == 1
