"""Jobs and tasks that steps are given as a list: what is wrong in one is found before a recipe runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo.errors import OctoError
from tests.recipe.runs import Project


@pytest.mark.slow
@pytest.mark.parametrize(("step", "name", "field"), [
    ("ctx_parallel", "tasks", "key"),
    ("ctx_parallel_process", "tasks", "key"),
    ("ctx_job_queue", "jobs", "job_id"),
    ("ctx_scheduler", "jobs", "job_id"),
])
def test_mistakes_in_a_list_are_found_before_a_run(step: str, name: str, field: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    every = ", interval: 60" if step == "ctx_scheduler" else ""

    def refused(entry: str) -> str:
        project.recipe(f"""
            steps:
              - {{name: first, module: ctx_init, params: {{key: ran, value: true}}}}
              - name: second
                module: {step}
                params:
                  {name}:
                    - {{{field}: good, fn: 'math:sqrt', args: {{x: 4}}{every}}}
                    - {{{entry}{every}}}
        """)
        error = project.refused()
        assert isinstance(error, OctoError) and not project.instance.exists()
        return str(error)

    assert "did you mean sqrt?" in refused(f"{field}: a, fn: 'math:sqr', args: {{x: 4}}")
    assert f"{name}[1] (a)" in refused(f"{field}: a, fn: 'math:sqr', args: {{x: 4}}")
    assert "unknown parameter 'y'" in refused(f"{field}: a, fn: 'math:sqrt', args: {{y: 4}}")
    assert f"{name}[1]: parameter '{field}' is missing" in refused("fn: 'math:sqrt', args: {x: 4}")
    assert "did you mean sqrt?" in refused(f"{field}: a, fn: 'math:sqr', args: {{x: '{{{{ ctx.n }}}}'}}")
    assert f"{name}[1] (a): unknown parameter 'arg'" in refused(f"{field}: a, fn: '{{{{ ctx.fn }}}}', arg: {{}}")
    twice = refused(f"{field}: good, fn: 'math:sqrt', args: {{x: 1}}")
    assert f"{name}[1] (good): another one has this {field}" in twice


def test_functions_of_a_server_are_looked_for_before_a_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        steps:
          - {name: a, module: ctx_job_server, params: {tasks: {root: "math:sqr"}, port: 0}}
    """)
    assert "did you mean sqrt?" in str(project.refused()) and not project.instance.exists()


def test_jobs_for_a_server_are_checked_before_a_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        steps:
          - {name: a, module: ctx_distributed_job, params: {server_url: "http://localhost:1", jobs: [{payload: {}}]}}
    """)
    assert "jobs[0]: parameter 'job_id' is missing" in str(project.refused()) and not project.instance.exists()
