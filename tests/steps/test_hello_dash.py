"""hello_dash: a live page of a table in ctx, in a real browser."""

from __future__ import annotations

import base64
import csv
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, UsageError
from octo.scriptlet import ParamError, params_of, resolve
from tests.recipe.runs import Project
from tests.steps.browser import Aside, Browser, free_port, is_served, until
from tests.steps.programs import ROOT

pytest.importorskip("dash", reason="needs dash")
from step_library.apps import hello_dash
from step_library.kit.apps import ports
from step_library.kit.apps.followed_ctx import Followed
from step_library.kit.apps.ports import listen, who_serves
from step_library.kit.apps.serving import Server

DRAWN_AS = "return document.querySelector('#plot .js-plotly-plot').data[0].type"
ROWS = [[f"2026-11-21T12:00:{second:02d}", second, second / 2, 1.5] for second in range(20)]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    rows = [list(row) for row in ROWS]
    return {"new_row": rows} if request.param == "dict" else Context(new_row=rows)


@contextmanager
def program(*words: str, cwd: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`python scriptlets/python/apps/hello_dash.py WORDS…`; it is ended by Ctrl-C."""
    kept = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'modules'}", **environment}
    started = subprocess.Popen([sys.executable, "scriptlets/python/apps/hello_dash.py", *words], cwd=cwd, env=kept,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()


# -- without a browser ---------------------------------------------------------------------------------


def test_both_documented_paths() -> None:
    import scriptlets.python.apps.hello_dash as documented

    assert documented is hello_dash and resolve("scriptlets.python.apps.hello_dash:run") is hello_dash.run


def test_it_ends_after_seconds(ctx: Any, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{port}"
    assert hello_dash.run(ctx, {"port": port, "seconds": 0.2}) == {"served": url, "ended": "seconds"}
    assert url in capsys.readouterr().err and not is_served(url)


def test_a_taken_port_is_told(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "ANSWER", 0.3)  # the other program says nothing
    with taken(port):
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is taken by another program.*free_port: true"):
            hello_dash.run({}, {"port": port})
        found = hello_dash.run({}, {"port": port, "free_port": True, "seconds": 0.1})
        assert found["served"] != f"http://127.0.0.1:{port}"


@contextmanager
def taken(port: int) -> Iterator[None]:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        other.settimeout(0.1)
        yield


@pytest.mark.parametrize(("params", "error", "text"), [
    ({"port": 70000}, UsageError, "0 .any that is free. to 65535, not 70000"),
    ({"port": "high"}, ParamError, "parameter 'port' is to be int"),
    ({"host": "192.0.2.1", "port": 0}, UsageError, "192.0.2.1:0 cannot be served"),
    ({"kind": "pie"}, ParamError, "one of 'line', 'scatter'"),
    ({"refresh": 0}, UsageError, "refresh"),
    ({"instance": "/no/such/place", "port": 0}, UsageError, "/no/such/place is not a directory"),
    ({"ctx_kye": "x"}, ParamError, "ctx_key"),
], ids=lambda each: str(each)[:24] if isinstance(each, dict) else "")
def test_mistakes(params: dict[str, Any], error: type[OctoError], text: str) -> None:
    with pytest.raises(error, match=text):
        hello_dash.run({}, params)


def app_for(**params: Any) -> Any:
    """The page as it is served, without a server."""
    defaults = {param.name: param.default for param in params_of(hello_dash.run) or ()}
    return hello_dash.create_app(Followed(Context(), None), {**defaults, **params}, threading.Event())


@pytest.mark.parametrize(("name", "status"), [("127.0.0.1:8050", 200), ("localhost:8050", 200), ("evil.example", 400)])
def test_it_answers_to_its_own_name_only(name: str, status: int) -> None:
    """A page from elsewhere, whose name leads to this machine, gets nothing."""
    asked = app_for().server.test_client()
    assert asked.get("/_dash-layout", headers={"Host": name}).status_code == status
    assert app_for(host="0.0.0.0").server.test_client().get("/", headers={"Host": name}).status_code == 200


def test_a_password() -> None:
    """Any user name will do; whose dashboard it is, programs of this machine may ask without."""
    with Server(app_for(host="0.0.0.0"), listen("0.0.0.0", 0), "0.0.0.0", "grün") as server:
        port = int(server.url.rpartition(":")[2])
        answers = []
        for word in ("", "bob:wrong", "bob:grün", "not base64"):
            given = "Basic " + (base64.b64encode(word.encode()).decode() if ":" in word else word)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/", headers={"Authorization": given} if word else {})
            answers.append(connection.getresponse().status)
            connection.close()
        assert answers == [401, 401, 200, 401] and who_serves("0.0.0.0", port)
    assert not is_served(server.url)


def test_it_warns_of_listening_to_all_without_a_password(port: int, monkeypatch: pytest.MonkeyPatch,
                                                         capsys: pytest.CaptureFixture[str]) -> None:
    params = {"port": port, "host": "0.0.0.0", "seconds": 0}
    hello_dash.run({}, params)
    assert "whoever reaches 0.0.0.0 can open it" in capsys.readouterr().err
    with pytest.raises(UsageError, match="password: the environment has no OCTO_TEST_WORD"):
        hello_dash.run({}, {**params, "password": "${OCTO_TEST_WORD}"})
    monkeypatch.setenv("OCTO_TEST_WORD", "green")
    hello_dash.run({}, {**params, "password": "${OCTO_TEST_WORD}"})
    told = capsys.readouterr().err
    assert "whoever" not in told and "green" not in told


@pytest.mark.slow
def test_behind_a_program(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    assert hello_dash.run({}, {"port": port, "background": True, "seconds": 1.5}) == {"served": url}
    assert is_served(url)
    until(lambda: not is_served(url))


def test_help_says_usage() -> None:
    """`python scriptlets/python/apps/hello_dash.py --help`, for each app."""
    for path in sorted((ROOT / "modules").glob("scriptlets/python/apps/*.py")):
        done = subprocess.run([sys.executable, str(path), "--help"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "usage" in done.stdout.lower() and "--port" in done.stdout
    done = subprocess.run([sys.executable, "scriptlets/python/apps/hello_dash.py", "--port", "invalid"], timeout=60,
                          cwd=ROOT / "modules", capture_output=True, text=True)
    assert done.returncode == 2 and "port" in done.stderr


def test_by_a_recipe_until_seconds(tmp_path: Path, port: int) -> None:
    """The steps monitor_and_plot and live_measurement_dashboard."""
    project = Project(tmp_path)
    project.bodies("""
        from pathlib import Path
        def gate():
            assert Path("go").exists()
    """)
    project.recipe(f"""
        ctx: {{live_measurements: [["12:00", 1]]}}
        steps:
          - {{idx: 1, name: gate, module: BODY, function: gate}}
          - {{idx: 5, name: live_measurement_dashboard, type: python, module: scriptlets.python.apps.hello_dash,
              function: run, params: {{port: {port}, ctx_key: live_measurements, seconds: 0.2}}}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (tmp_path / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    result = project.steps["live_measurement_dashboard"]["result"]
    assert result == {"served": f"http://127.0.0.1:{port}", "ended": "seconds"}
    assert project.ctx == {"live_measurements": [["12:00", 1]]}


def test_in_the_background_of_a_recipe_it_ends_with_the_run(tmp_path: Path, port: int) -> None:
    project = Project(tmp_path)
    project.bodies(f"""
        import socket, time
        def look(ctx):
            give_up = time.monotonic() + 30
            while time.monotonic() < give_up:
                with socket.socket() as made:
                    if made.connect_ex(("127.0.0.1", {port})) == 0:
                        return True
            raise OSError("it is not served")
    """)
    project.recipe(f"""
        steps:
          - {{name: page, function: hello_dash, params: {{port: {port}}}, background: true}}
          - {{name: look, module: BODY, function: look, depends_on: page}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["page"]["result"]["ended"] == "stopped" and not is_served(f"http://127.0.0.1:{port}")
    project.recipe("steps: [{name: page, function: hello_dash, params: {background: true}}]\n")
    assert project.run(restart=True).status == "COMPLETE_ERROR"
    assert "beside params" in project.steps["page"]["error"]["message"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_alone_it_makes_up_rows_until_ctrl_c(port: int, tmp_path: Path) -> None:
    """`--port 8050 --ctx_key test_data`, and `--host 127.0.0.1`."""
    with program("--port", str(port), "--ctx_key", "test_data", "--host", "127.0.0.1", "--json",
                 cwd=ROOT / "modules") as alone:
        until(lambda: (who_serves("127.0.0.1", port) or {}).get("pid") == alone.pid)
        alone.send_signal(signal.SIGINT)
        out, said = alone.communicate(timeout=30)
    assert alone.returncode == 0, said
    found = json.loads(out)
    assert found["result"] == {"served": f"http://127.0.0.1:{port}", "ended": "stopped"}
    rows = found["ctx"]["test_data"]
    assert rows and all(isinstance(row[0], str) and len(row) == 4 and 0 <= row[3] <= 1 for row in rows)


# -- in a browser --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_page(ctx: Any, port: int, browser: Browser) -> None:
    """A dropdown of the columns, a line each against the time, ctx as text; new rows are seen at once."""
    ctx["people"] = [{"name": "anna", "age": 40}, {"name": "bo", "age": 30, "more": 1}]
    ctx["settings"] = {"volt": 5}
    served = Aside(hello_dash.run, ctx, {"port": port, "refresh": 0.1, "columns": ["voltage", "current", "noise"]})
    browser.open(f"http://127.0.0.1:{port}")
    assert browser.driver.title == "Shared ctx Dash Monitor"
    browser.wait_for("#table", "2026-11-21T12:00:19")
    assert browser.text("#table").split("\n")[0].split() == ["time", "voltage", "current", "noise"]
    browser.wait_for_figure({"voltage": 20, "current": 20, "noise": 20})
    assert "20 rows in ctx['new_row']" in browser.text("#problem")
    assert "new_row: 20 entries" in browser.text("#ctx") and "volt: 5" in browser.text("#ctx")

    ctx["new_row"].append(["2026-11-21T12:00:20", 77.5, 1, 2])
    browser.wait_for("#table", "77.5")
    browser.wait_for_figure({"voltage": 21, "current": 21, "noise": 21})

    browser.choose("#columns", "current")  # which is taken out
    browser.driver.find_element("css selector", "body").send_keys("\ue00c")
    browser.wait_for_figure({"voltage": 21, "noise": 21})

    browser.press("#download")
    file = browser.downloads / "new_row.csv"
    until(file.exists)
    rows = until(lambda: list(csv.reader(file.read_text(encoding="utf-8").splitlines())))
    assert rows[0] == ["time", "voltage", "current", "noise"] and len(rows) == 22

    browser.choose("#key", "people")
    browser.wait_for("#table", "anna")
    browser.wait_for_figure({"age": 2, "more": 2})
    for kind in ("scatter", "bar", "histogram"):
        browser.press(f"#kind input[value={kind}]")
        until(lambda kind=kind: browser.driver.execute_script(DRAWN_AS) == kind)

    assert served.runs and browser.said() == []
    asked = browser.requests()
    assert asked and all(url.startswith(f"http://127.0.0.1:{port}/") for url in asked), asked
    browser.press("#done")
    assert served.join()["ended"] == "done"
    assert "may be closed" in browser.text("#done-said") and not is_served(f"http://127.0.0.1:{port}")
    browser.wait_for("#octo-gone", "has ended")


@pytest.mark.slow
def test_what_is_odd_is_told_in_the_page(port: int, browser: Browser) -> None:
    ctx = Context(new_row=[], errors=[])
    served = Aside(hello_dash.run, ctx, {"port": port, "refresh": 0.2, "ctx_key": "later", "x": "at",
                                           "theme": "dark"})
    browser.open(f"http://127.0.0.1:{port}")
    browser.wait_for("#problem", "ctx has no key 'later' yet")
    ctx["later"] = 7
    browser.wait_for("#problem", "is int 7, no list of rows")
    ctx["later"] = ["x", [1, 2], None, [2, 3]]
    browser.wait_for("#problem", "2 of 4 rows are of another kind")
    ctx["later"] = [1, None, "4.5", 2]
    browser.wait_for("#table", "4.5")
    browser.wait_for_figure({"later": 4})
    ctx.record("errors", {"step": "measure", "error": "no answer"})
    browser.wait_for("#errors", "measure: no answer")
    del ctx["later"]
    browser.wait_for("#problem", "no key 'later'")
    ctx["later"] = [{"volt": 1, "at": 5}, {"volt": 2, "at": 6}]
    browser.wait_for("#table", "at\tvolt")
    browser.wait_for_figure({"volt": 2})
    ctx["later"].append({"volt": 3, "at": 7, "ampere": 1})
    browser.wait_for("#table", "ampere")
    browser.wait_for_figure({"volt": 3})  # a column that is new does not change what is chosen
    ctx["later"] = [[number, number % 7] for number in range(300_000)]
    browser.wait_for("#problem", "300,000 rows in ctx['later'], every 150th drawn")
    browser.wait_for("#table", "299999")
    browser.wait_for_figure({"1": 2000})
    assert browser.said() == []
    browser.press("#done")
    served.join()


@pytest.mark.slow
def test_it_follows_a_run_from_another_process(tmp_path: Path, port: int, browser: Browser) -> None:
    """Started by a step of the run, it knows whose ctx to show, also when that step is over."""
    instance = Project(tmp_path)
    instance.recipe("ctx: {new_row: [[1, 2]]}\nsteps: [{name: a, function: ctx_init, params: {keys: [x]}}]\n")
    assert instance.run().status == "COMPLETE_SUCCESS"
    with program("--port", str(port), "--ctx_key", "new_row", cwd=ROOT / "modules",
                 OCTO_CALL=f"1:5:start_it|{instance.instance}") as other:
        browser.open(f"http://127.0.0.1:{port}")
        browser.wait_for("#problem", "1 rows in ctx['new_row']")
        assert str(instance.instance) in browser.text(".head")
        Context.open(instance.instance, who="anna")["new_row"].append([2, 88.25])
        browser.wait_for("#table", "88.25")

        again = Aside(hello_dash.run, {}, {"port": port, "instance": str(instance.instance)})
        browser.wait_for("#problem", "2 rows")
        assert again.runs
        with pytest.raises(UsageError, match="taken by the dashboard hello_dash of .*process"):
            hello_dash.run({}, {"port": port, "instance": str(instance.instance), "ctx_key": "x"})
        browser.press("#done")
        assert again.join() == {"served": f"http://127.0.0.1:{port}", "ended": "done", "attached": True}
        assert other.wait(30) == 0
