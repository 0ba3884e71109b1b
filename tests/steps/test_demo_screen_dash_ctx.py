"""The demo recipe of the documents, in both printed variants: GNU screen, two dashboards on one port, a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.recipe.runs import Project
from tests.steps.browser import Aside, Browser, free_port, is_served, until
from tests.steps.programs import ROOT, Screen, needs_screen

pytest.importorskip("dash", reason="needs dash")
pytestmark = [pytest.mark.slow, needs_screen]

FOLDER = ROOT / "instances" / "recipes" / "demo_screen_dash_ctx"
PRINTED = ROOT / "tests" / "conformance" / "data" / "recipes" / "demo_screen_dash_ctx.yaml"
STEPS = ["create_screen_with_log", "check_and_attach_screen", "launch_dash_in_screen", "start_shared_ctx",
         "update_ctx_background", "monitor_and_plot"]


def test_the_recipes_are_the_printed_ones() -> None:
    """Five steps as the page of runner.py has them; six on the demo's own page, which prints no YAML."""
    printed = yaml.safe_load(PRINTED.read_text(encoding="utf-8"))
    assert yaml.safe_load((FOLDER / "five_steps.yaml").read_text(encoding="utf-8")) == printed
    six = yaml.safe_load((FOLDER / "demo_screen_dash_ctx.yaml").read_text(encoding="utf-8"))["steps"]
    assert [step["name"] for step in six] == STEPS
    body = {"idx", "depends_on", "stdout_to_ctx"}
    shown = [{key: step[key] for key in step if key not in body} for step in six if step["name"] != STEPS[1]]
    assert shown == [{key: step[key] for key in step if key not in body} for step in printed["steps"]]


@pytest.mark.parametrize("name", ["demo_screen_dash_ctx", "five_steps"])
def test_it_runs_as_printed(name: str, tmp_path: Path, screen: Screen, browser: Browser,
                            monkeypatch: pytest.MonkeyPatch) -> None:
    """With a port of its own in place of 8050. Done ends the step, the run and the dashboard in the session."""
    monkeypatch.setenv("SHELL", "/bin/sh")
    port = free_port()
    project = Project(tmp_path)
    project.recipe((FOLDER / f"{name}.yaml").read_text(encoding="utf-8").replace("8050", str(port)))
    run = Aside(lambda *_: project.run(), None, {})
    browser.open(f"http://127.0.0.1:{port}")
    browser.wait_for("#problem", " rows in ctx['new_row']")
    until(lambda: len(project.ctx.get("new_row", ())) >= 2)
    newest = project.ctx["new_row"][-1][0]
    browser.wait_for("#table", newest)
    assert str(project.instance) in browser.text(".head") and run.runs
    screen.until("Logs/test_screen_screen.log", str(port))
    browser.press("#done")
    result = run.join()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert set(project.status().values()) == {"DONE"} and project.steps["monitor_and_plot"]["result"]["ended"] == "done"
    assert all(len(row) == 4 for row in project.ctx["new_row"])
    if name == "demo_screen_dash_ctx":
        assert "test_screen" in project.ctx["screen_sessions"]
    until(lambda: not is_served(f"http://127.0.0.1:{port}"))
    assert screen("-q", "test_screen")  # the session outlives the run, as documented


def test_the_documented_choices(tmp_path: Path, screen: Screen, browser: Browser,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    """--only start_shared_ctx update_ctx_background; --skip monitor_and_plot, after which the session still serves."""
    monkeypatch.setenv("SHELL", "/bin/sh")
    port = free_port()
    project = Project(tmp_path)
    project.recipe((FOLDER / "demo_screen_dash_ctx.yaml").read_text(encoding="utf-8").replace("8050", str(port)))
    assert project.run(only=["start_shared_ctx", "update_ctx_background"]).exit_code == 0
    assert project.status()["monitor_and_plot"] == "LEFT_OUT" and "new_row" in project.ctx
    assert project.run(skip=["monitor_and_plot"], restart=True).exit_code == 0
    browser.open(f"http://127.0.0.1:{port}")
    browser.wait_for("#problem", " rows in ctx['new_row']")
    project.edit()["new_row"].append(["later", 12.5, 1, 2])
    browser.wait_for("#table", "12.5")
    browser.press("#done")
    until(lambda: not is_served(f"http://127.0.0.1:{port}"))
