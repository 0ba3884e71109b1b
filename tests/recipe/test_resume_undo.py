"""`--resume-from` again and again: what the steps did before is gone, whatever else happened meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from .runs import Project

BODIES = """
    def add(ctx, name):
        ctx.append("ran", name)
        ctx["rows"] = [name, *ctx.plain("rows")]
"""
CHAIN = """
    ctx: {rows: [0, 1, 2], ran: []}
    steps:
      - {name: a, module: BODY, function: add, params: {name: a}}
      - {name: b, module: BODY, function: add, params: {name: b}, depends_on: a}
      - {name: c, module: BODY, function: add, params: {name: c}, depends_on: b}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    made.recipe(CHAIN)
    return made


@pytest.mark.parametrize("order", ["bb", "cba", "cbabc", "ccb", "acab"])
def test_each_step_has_run_once_in_the_end(project: Project, order: str) -> None:
    project.run()
    for step in order:
        project.run(resume_from=step)
        assert project.ctx == {"ran": ["a", "b", "c"], "rows": ["c", "b", "a", 0, 1, 2]}


def test_what_set_gave_is_no_part_of_the_undo_that_came_with_it(project: Project) -> None:
    project.run()
    project.run(resume_from="c", values={"mine": 5})
    project.run(resume_from="a")
    assert project.ctx == {"ran": ["a", "b", "c"], "rows": ["c", "b", "a", 0, 1, 2], "mine": 5}
