"""Where a recipe runs: its instance, whose recipe that is, and from where its steps run."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from octo.errors import UsageError
from octo.recipe.run import run_instance, run_recipe

from .runs import Project, chdir

ONE = """
    steps:
      - name: here
        cmd: pwd
        stdout_to_ctx: here
      - name: own
        module: BODY
        function: where
"""
BODIES = """
    import os
    def where(ctx):
        ctx["cwd"] = os.getcwd()
    def maybe(ctx):
        if os.path.exists("go"):
            ctx.increment("went")
        else:
            raise RuntimeError("not yet")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


def test_the_instance_is_named_after_the_file_and_lies_in_the_working_directory(project: Project) -> None:
    project.recipe(ONE)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS"
    assert result.directory == str(project.instance)
    assert project.settings["recipe_path"] == str(project.folder / "r.yaml")
    assert (project.instance / "recipe.yaml").read_text() == (project.folder / "r.yaml").read_text()


def test_steps_run_in_the_working_directory_on_the_first_run_too(project: Project) -> None:
    project.recipe(ONE)
    project.run()
    assert project.ctx["here"].strip() == project.ctx["cwd"] == str(project.folder)


def test_another_place_by_name(project: Project) -> None:
    project.recipe(ONE)
    result = project.run(instance="elsewhere")
    assert result.directory == str(project.folder / "elsewhere")
    assert not project.instance.exists()


def test_a_recipe_with_mistakes_makes_no_instance(project: Project) -> None:
    project.recipe("steps:\n  - name: a\n    module: BODY\n    function: nothing\n")
    assert "nothing" in project.refused().message
    assert not project.instance.exists()


def test_another_recipe_of_the_same_stem_is_refused(project: Project) -> None:
    project.recipe(ONE)
    project.run()
    project.recipe(ONE + "\n# another\n", "sub/r.yaml")
    error = project.refused("sub/r.yaml")
    assert error.exit_code == 2
    assert "belongs to another recipe" in error.message and "--instance" in " ".join(error.hints)


def test_a_recipe_that_was_moved_keeps_its_instance(project: Project) -> None:
    project.recipe(ONE)
    first = project.run()
    (project.folder / "sub").mkdir()
    (project.folder / "r.yaml").rename(project.folder / "sub" / "r.yaml")
    second = project.run("sub/r.yaml")
    assert second.status == "COMPLETE_SUCCESS" and second.run_id != first.run_id
    assert project.settings["recipe_path"] == str(project.folder / "sub" / "r.yaml")


def test_a_folder_that_was_moved_whole_goes_on(project: Project, tmp_path: Path) -> None:
    project.recipe("""
        steps:
          - name: a
            module: BODY
            function: maybe
    """)
    assert project.run().status == "COMPLETE_ERROR"
    moved = tmp_path / "moved"
    shutil.move(project.folder, moved)
    (moved / "go").touch()
    with chdir(moved):
        assert run_instance("r.octo").status == "COMPLETE_SUCCESS"
        assert run_recipe("r.yaml", draw=False).status == "COMPLETE_SUCCESS"


def test_the_copy_is_run_where_the_file_is_gone(project: Project) -> None:
    project.recipe("""
        steps:
          - name: a
            module: BODY
            function: maybe
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "r.yaml").unlink()
    (project.folder / "go").touch()
    assert project.go_on().status == "COMPLETE_SUCCESS"
    assert project.ctx["went"] == 1


def test_without_file_and_copy_it_says_so(project: Project) -> None:
    project.recipe(ONE)
    project.run()
    (project.folder / "r.yaml").unlink()
    (project.instance / "recipe.yaml").unlink()
    with pytest.raises(UsageError, match="gone") as found:
        project.go_on()
    assert "--instance" in " ".join(found.value.hints)


def test_a_recipe_from_standard_input(project: Project) -> None:
    text = "metadata: {name: piped}\nsteps:\n  - name: a\n    cmd: pwd\n    stdout_to_ctx: here\n"
    with chdir(project.folder):
        result = run_recipe(io.StringIO(text), draw=False)
        assert result.directory == str(project.folder / "piped.octo")
        assert run_instance("piped.octo").nothing_to_do
        again = run_recipe(io.StringIO(text), draw=False)
        assert again.status == "COMPLETE_SUCCESS" and again.run_id != result.run_id


def test_one_from_standard_input_needs_a_name(project: Project) -> None:
    text = "steps:\n  - name: a\n    cmd: pwd\n"
    with chdir(project.folder):
        with pytest.raises(UsageError, match="name") as found:
            run_recipe(io.StringIO(text), draw=False)
        assert "--instance" in " ".join(found.value.hints)
        assert run_recipe(io.StringIO(text), instance="d", draw=False).status == "COMPLETE_SUCCESS"


@pytest.mark.parametrize("name", ["../up", "a/b", "a\\b", "..", "."])
def test_the_name_of_one_from_standard_input_is_no_path(project: Project, name: str) -> None:
    text = f"metadata: {{name: '{name}'}}\nsteps:\n  - name: a\n    cmd: pwd\n"
    before = set(project.folder.parent.rglob("*"))
    with chdir(project.folder), pytest.raises(UsageError, match="metadata.name") as found:
        run_recipe(io.StringIO(text), draw=False)
    assert "--instance" in " ".join(found.value.hints)
    assert set(project.folder.parent.rglob("*")) == before


def test_a_directory_that_is_no_instance_names_octo_init(project: Project) -> None:
    (project.folder / "plain").mkdir()
    with chdir(project.folder), pytest.raises(UsageError) as found:
        run_instance("plain")
    assert found.value.exit_code == 2
    assert "octo init" in " ".join(found.value.hints)


def test_a_resume_from_elsewhere_runs_where_the_run_began(project: Project, tmp_path: Path) -> None:
    project.recipe(ONE + """
      - name: last
        module: BODY
        function: maybe
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    other = tmp_path / "other"
    other.mkdir()
    with chdir(other):
        result = run_recipe(project.folder / "r.yaml", instance=project.instance, draw=False)
    assert result.status == "COMPLETE_SUCCESS" and project.ctx["went"] == 1


def test_a_new_run_from_elsewhere_runs_there(project: Project, tmp_path: Path) -> None:
    project.recipe(ONE)
    project.run()
    with chdir(tmp_path):
        run_recipe(project.folder / "r.yaml", instance=project.instance, draw=False)
    assert project.ctx["here"].strip() == project.ctx["cwd"] == str(tmp_path)


def test_the_directory_started_from_is_on_the_path(project: Project) -> None:
    project.recipe(ONE, "deep/down/r.yaml")
    assert project.run("deep/down/r.yaml").status == "COMPLETE_SUCCESS"
    assert project.ctx["cwd"] == str(project.folder)
