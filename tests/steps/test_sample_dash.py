"""sample_dash: a page that asks for one item, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from octo.context import Context
from octo.errors import OctoError, ShapeError, StepTimeout, UsageError
from octo.scriptlet import ParamError, params_of, resolve
from tests.recipe.runs import Project
from tests.steps.browser import Aside, Browser, free_port, is_served

pytest.importorskip("dash", reason="needs dash")
from step_library.apps import sample_dash

OUT = Path("Logs/ctx_after_selection.json")


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def port() -> int:
    return free_port()


def project_with(folder: Path, step: str) -> Project:
    """launch_selection_dash, then next_step, which takes what was chosen."""
    project = Project(folder)
    project.bodies("""
        def run(ctx, params):
            ctx["taken"] = params["selection"]
            if ctx.get("fails"):
                raise ValueError("not yet")
    """)
    project.recipe(f"""
        steps:
          - idx: 1
            name: launch_selection_dash
            type: python
            module: scriptlets.python.apps.sample_dash
            function: main
            {step}
          - idx: 2
            name: next_step
            type: python
            module: BODY
            function: run
            params: {{selection: "{{{{ ctx['user_selection'] }}}}"}}
            depends_on: [launch_selection_dash]
    """)
    return project


# -- without a browser ---------------------------------------------------------------------------------


def test_the_documented_callback(ctx: Any) -> None:
    """n_clicks 1, selected_value 2: the value, the log entry, the file, the message."""
    assert sample_dash.save_selection(ctx, 1, 2) == "Selection 2 saved to ctx!"
    assert ctx["user_selection"] == 2
    [entry] = ctx["log"]
    assert (entry["level"], entry["msg"]) == ("INFO", "User selected 2")
    assert json.loads(OUT.read_text(encoding="utf-8"))["user_selection"] == 2
    assert sample_dash.save_selection(ctx, 0, 3) == "" and ctx["user_selection"] == 2


def test_the_documented_items() -> None:
    """Item 0 to Item 4 with 0 to 4; item-dropdown begins at 0; save-btn, save-status."""
    params = {param.name: param.default for param in params_of(sample_dash.run) or ()}
    layout = sample_dash.create_app({}, params).layout
    page = json.dumps(layout, default=lambda part: part.to_plotly_json())
    assert all(f'"label": "Item {number}", "value": {number}' in page for number in range(5))
    assert all(f'"id": "{name}"' in page for name in ("item-dropdown", "save-btn", "save-status"))


def test_main_is_run_by_the_documented_path() -> None:
    """`sample_dash.main(ctx, params)`, and the step user_selection_dashboard."""
    import scriptlets.python.apps.sample_dash as documented

    assert documented is sample_dash and sample_dash.main is sample_dash.run
    assert resolve("scriptlets.python.apps.sample_dash:main") is sample_dash.run


def test_nobody_chooses(ctx: Any, port: int) -> None:
    with pytest.raises(StepTimeout, match=f"nothing was selected at http://127.0.0.1:{port} within 0.1 s"):
        sample_dash.main(ctx, {"port": port, "seconds": 0.1})
    assert not ctx and not is_served(f"http://127.0.0.1:{port}")


def test_a_taken_port_is_told(port: int) -> None:
    sample_dash.run({}, {"port": port, "seconds": 2, "background": True})
    with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is taken"):
        sample_dash.run({}, {"port": port})
    with pytest.raises(StepTimeout, match="nothing was selected"):
        sample_dash.run({}, {"port": port, "free_port": True, "seconds": 0.1})


@pytest.mark.parametrize(("params", "error", "text"), [
    ({"items": []}, ShapeError, "nothing to choose"),
    ({"items": [[1]]}, ShapeError, "item 0 is to be text, a number or .label, value., not a list"),
    ({"items": [{"label": "a"}]}, ShapeError, "item 0"),
    ({"items": "absent"}, KeyError, "ctx has no key 'absent'"),
    ({"port": -1}, UsageError, "not -1"),
    ({"seconds": "long"}, ParamError, "seconds"),
], ids=lambda each: str(each) if isinstance(each, dict) else "")
def test_mistakes(params: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        sample_dash.run({}, {"port": 0, **params})
    assert isinstance(caught.value, OctoError)


def test_a_log_that_is_none_leaves_ctx_as_it_is(ctx: Any) -> None:
    ctx["log"] = "text"
    with pytest.raises(ShapeError, match="log"):
        sample_dash.save_selection(ctx, 1, 2)
    assert "user_selection" not in ctx and not OUT.exists()


def test_a_file_that_cannot_be_written_is_told(ctx: Any) -> None:
    Path("Logs").touch()
    said = sample_dash.save_selection(ctx, 1, 2)
    assert said.startswith("Selection 2 saved to ctx! But Logs/ctx_after_selection.json could not be written: ")
    assert [entry["level"] for entry in ctx["log"]] == ["INFO", "ERROR"] and ctx["user_selection"] == 2


def test_a_run_that_is_stopped_before_has_no_selection(tmp_path: Path, port: int) -> None:
    project = project_with(tmp_path, f"params: {{port: {port}, seconds: 0.2}}")
    assert project.run().status == "COMPLETE_ERROR"
    assert "nothing was selected" in project.steps["launch_selection_dash"]["error"]["message"] and project.ctx == {}


# -- in a browser --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_first_selection_ends_it(ctx: Any, port: int, browser: Browser) -> None:
    asked = Aside(sample_dash.main, ctx, {"port": port, "refresh": 0.1})
    browser.open(f"http://127.0.0.1:{port}")
    browser.choose("#item-dropdown", "Item 2")
    ctx["volt"] = 5.25
    browser.wait_for("#ctx", "volt: 5.25")
    browser.press("#save-btn")
    browser.wait_for("#save-status", "Selection 2 saved to ctx!")
    browser.wait_for("#ctx", "user_selection: 2")
    url = f"http://127.0.0.1:{port}"
    assert asked.join() == {"selected": "user_selection", "served": url, "ended": "selection"}
    assert ctx["user_selection"] == 2 and ctx["log"][0]["msg"] == "User selected 2" and not is_served(url)
    assert json.loads(OUT.read_text(encoding="utf-8"))["volt"] == 5.25
    assert all(each.startswith(f"{url}/") for each in browser.requests())


@pytest.mark.slow
def test_own_items_several_at_once(port: int, browser: Browser) -> None:
    ctx = Context(probes=["north", {"label": "South side", "value": "south"}, 7])
    asked = Aside(sample_dash.main, ctx, {"port": port, "items": "probes", "multi": True, "key": "chosen",
                                          "title": "Which probes?", "theme": "dark"})
    browser.open(f"http://127.0.0.1:{port}")
    browser.press("#save-btn")
    browser.wait_for("#problem", "Choose an item first.")
    browser.choose("#item-dropdown", "South side")
    assert browser.said() == []
    browser.driver.find_element("css selector", "body").send_keys("\ue00c")
    browser.press("#save-btn")
    assert asked.join()["selected"] == "chosen" and ctx["chosen"] == ["south"]
    assert browser.driver.title == "Which probes?"


@pytest.mark.slow
def test_the_documented_recipe_with_a_resume(tmp_path: Path, port: int, browser: Browser) -> None:
    """launch_selection_dash, then next_step: the step behind it gets the choice, as the number that it is."""
    project = project_with(tmp_path, f"params: {{port: {port}}}")
    run = Aside(lambda *_: project.run(values={"fails": True}), None, {})
    browser.open(f"http://127.0.0.1:{port}")
    browser.choose("#item-dropdown", "Item 3")
    browser.press("#save-btn")
    assert run.join().status == "COMPLETE_ERROR" and project.status()["launch_selection_dash"] == "DONE"
    project.edit()["fails"] = False
    assert project.run().status == "COMPLETE_SUCCESS"  # nobody is asked again
    assert project.ctx["taken"] == project.ctx["user_selection"] == 3
    assert [entry["who"] for entry in project.edit().get_history("user_selection")] == ["launch_selection_dash"]


@pytest.mark.slow
def test_in_the_background_it_takes_each_selection(tmp_path: Path, port: int, browser: Browser) -> None:
    project = Project(tmp_path)
    project.bodies("""
        import time
        def wait(ctx):
            give_up = time.monotonic() + 60
            while ctx.get("user_selection") != 4 and time.monotonic() < give_up:
                time.sleep(0.02)
    """)
    project.recipe(yaml.safe_dump({"steps": [
        {"name": "ask", "function": "sample_dash", "params": {"port": port}, "background": True},
        {"name": "wait", "function": f"{project.module}:wait", "depends_on": "ask"}]}))
    run = Aside(lambda *_: project.run(), None, {})
    browser.open(f"http://127.0.0.1:{port}")
    for number in (1, 4):
        browser.choose("#item-dropdown", f"Item {number}")
        browser.press("#save-btn")
        if number == 1:
            browser.wait_for("#save-status", "Selection 1 saved")
    assert run.join().status == "COMPLETE_SUCCESS"
    assert project.ctx["user_selection"] == 4 and len(project.ctx["log"]) == 2
    assert project.steps["ask"]["result"]["ended"] == "stopped"
