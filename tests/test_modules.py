"""What stands behind the documented names: graphs of tasks, schedules, recipes as dicts, saved state."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from octo.errors import BadJson, InvalidValue, RecipeError, UsageError
from octo.recipe.dependency_graph import DependencyGraph
from octo.recipe.documented import Executor, RecipeParser, find_recipe, only_recipe, run_recipe
from octo.recipe.monitor import HOW_TO_GET_ENERGY, Monitor
from octo.recipe.saved_state import load_state, save_state
from octo.recipe.schedule import Scheduler


def graph_of(**tasks: list[str]) -> DependencyGraph:
    graph = DependencyGraph()
    for name, needs in tasks.items():
        graph.add_task(name, needs)
    return graph


# -- DependencyGraph -----------------------------------------------------------------------------


def test_order_is_that_of_adding_where_dependencies_allow() -> None:
    assert graph_of(report=["load", "check"], load=[], check=["load"], notes=[]).get_task_order() == [
        "load",
        "check",
        "report",
        "notes",
    ]
    assert DependencyGraph().get_task_order() == []


def test_a_cycle_is_shown_in_the_message_and_in_the_picture(tmp_path: Path) -> None:
    graph = graph_of(a=["c"], b=["a"], c=["b"], d=["a"])
    with pytest.raises(UsageError) as caught:
        graph.get_task_order()
    shown = re.findall(r"\w+", caught.value.message.partition(": ")[2])
    assert len(shown) == 4 and shown[0] == shown[-1] and set(shown) == {"a", "b", "c"}
    assert all(needed in graph.tasks[name] for name, needed in zip(shown, shown[1:], strict=False))
    dot = graph.visualize(tmp_path / "tasks.dot").read_text(encoding="utf-8")
    assert dot.count("in a cycle") == 3 and dot.count("class=waits") == 4


def test_a_cycle_in_a_large_graph_is_drawn_alone(tmp_path: Path) -> None:
    graph = graph_of(**{f"t{n}": [f"t{m}" for m in range(max(0, n - 40), n)] for n in range(60)})
    assert graph.get_task_order()[-1] == "t59"
    graph.add_task("t0", ["t59"])
    dot = graph.visualize(tmp_path / "tasks.dot").read_text(encoding="utf-8")
    assert set(re.findall(r"\bt\d+(?= ->)", dot)) == set(graph.find_cycle())


def test_a_dependency_that_is_no_task() -> None:
    graph = graph_of(load=[], report=["laod"])
    for use in (graph.get_task_order, graph.visualize):
        with pytest.raises(UsageError, match=r"'report' depends on 'laod', which is no task.*load"):
            use()
    graph.add_task("laod")  # it may come later
    assert graph.get_task_order() == ["load", "laod", "report"]


def test_visualize_draws_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = graph_of(step1=[], step2=["step1"]).visualize()
    assert path == tmp_path / "graph.png" and path.read_bytes().startswith(b"\x89PNG")


# -- Scheduler -----------------------------------------------------------------------------------


def step(name: str, *needs: str, **resources: Any) -> dict[str, Any]:
    return {"name": name, "depends_on": list(needs), "resources": resources}


def test_batches_fit_and_respect_dependencies() -> None:
    steps = [
        step("load", cpu=1, mem="1GB"),
        step("big", "load", cpu=2),
        step("small", "load", mem="1.5GB"),
        step("other", "load", cpu=0.5, mem="0.6GB"),
        step("free", cpu=1),
        step("report", "big", "small", "other"),
    ]
    plan = Scheduler().schedule(steps, resources={"cpu": 2, "mem": "2GB"})
    assert plan == [["load", "free"], ["big"], ["small"], ["other"], ["report"]]
    plan = Scheduler().schedule(steps, resources={"cpu": 4, "mem": "4GB"})
    assert plan == [["load", "free"], ["big", "small", "other"], ["report"]]


def test_a_step_larger_than_the_resources() -> None:
    with pytest.raises(UsageError, match=r"'a' asks for 3 cores; there are 2"):
        Scheduler().schedule([step("a", cpu=3)], {"cpu": 2})
    with pytest.raises(UsageError, match=r"'a' asks for .* GiB of memory"):
        Scheduler().schedule([step("a", mem="3GB")], {"cpu": 2, "mem": "2GB"})
    with pytest.raises(UsageError, match="two steps are called 'a'"):
        Scheduler().schedule([{"name": "a"}, {"name": "a"}])
    with pytest.raises(UsageError, match="a mapping with a name.*not 'a'"):
        Scheduler().schedule(["a"])


@pytest.mark.parametrize(
    ("steps", "resources", "message"),
    [
        ([step("a")], {"cpus": 2}, "no cpus"),
        ([step("a")], {"cpu": "many"}, "a number of cores"),
        ([step("a", mem="much")], {"cpu": 1}, "step 'a': resources: mem is a size"),
        ([{"module": "x"}], {}, "a step without a name"),
        ([step("a", "b"), step("b", "a")], {"cpu": 1}, "cycle"),
        ([step("a", "z")], {"cpu": 1}, "no task"),
    ],
)
def test_what_cannot_be_planned(steps: list[Any], resources: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Scheduler().schedule(steps, resources)


def test_without_resources_it_is_what_is_free_here() -> None:
    plan = Scheduler().schedule([step("a"), step("b", "a")])
    assert plan == [["a"], ["b"]]


def test_monitor() -> None:
    scheduler = Scheduler()
    scheduler.monitor()
    seen = scheduler.monitor()
    assert 0 <= seen["cpu_percent"] <= 100 and seen["cores"] >= 1
    assert 0 < seen["mem_available"] <= seen["mem_total"]
    assert seen["process"]["rss"] > 0 and seen["process"]["cpu_seconds"] > 0
    json.dumps(seen)
    energy = seen["energy"]
    assert energy.get("how") == HOW_TO_GET_ENERGY or energy["kwh_in_all"] >= 0


class FakeMeter:
    """As CodeCarbon's: a task at a time, with what it used."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def start_task(self, name: str) -> None:
        assert name not in self.begun
        self.begun.append(name)

    def stop_task(self) -> Any:
        return type("Used", (), {"energy_consumed": 0.25, "emissions": 0.1})()


def test_energy_is_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octo.recipe.monitor._tracker", lambda country: FakeMeter())
    monitor = Monitor("DEU")
    assert monitor.figures()["energy"]["kwh_in_all"] == 0
    monitor.figures()
    energy = monitor.figures()["energy"]
    assert (energy["kwh"], energy["kwh_in_all"], energy["emissions_kg"]) == (0.25, 0.5, 0.2)


# -- RecipeParser --------------------------------------------------------------------------------

RECIPE = """\
defaults:
  retry: 2
steps:
  - name: second
    idx: 2
    module: builtins
    function: print
    args: [007, 1.50]
    after: first
  - {name: first, idx: 1, cmd: echo, args: [on], retry: 1}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_steps_come_as_dicts_in_their_order(recipe: Path) -> None:
    parser = RecipeParser()
    loaded = parser.load(recipe)
    assert type(loaded) is dict and parser.validate(loaded)
    assert parser.parse_steps(loaded) == [
        {"name": "first", "idx": 1, "cmd": "echo", "args": ["on"], "retry": 1, "type": "shell", "depends_on": []},
        {
            "name": "second",
            "idx": 2,
            "module": "builtins",
            "function": "print",
            "args": ["007", 1.5],
            "retry": 2,
            "type": "python",
            "depends_on": ["first"],
        },
    ]


def test_defaults_are_filled_in_as_a_run_fills_them_in() -> None:
    parser = RecipeParser()
    made = {
        "defaults": {"module": "math", "params": {"x": 4}, "cwd": "there", "timeout": 3, "requires_process": True},
        "steps": [
            {"name": "a", "function": "sqrt"},
            {"name": "b", "function": "sqrt", "args": [9], "executor": "thread", "timeout": 1},
            {"name": "c", "cmd": "echo"},
        ],
    }
    a, b, c = parser.parse_steps(made)
    assert (a["module"], a["params"], a["timeout"], a["requires_process"]) == ("math", {"x": 4}, 3, True)
    assert "cwd" not in a and "params" not in b and "requires_process" not in b
    assert (b["args"], b["executor"], b["timeout"]) == ([9], "thread", 1)
    assert c["cwd"] == "there" and "module" not in c and "params" not in c
    assert parser.validate({"steps": [b, c]})  # what comes out says the same without the defaults


def test_mistakes_have_the_lines_of_the_file_also_after_a_change(recipe: Path) -> None:
    parser = RecipeParser()
    loaded = parser.load(recipe)
    loaded["steps"][1]["depends_on"] = ["third"]
    loaded["steps"][0]["functoin"] = loaded["steps"][0].pop("function")
    with pytest.raises(RecipeError) as caught:
        parser.validate(loaded)
    told = [(problem.line, problem.message) for problem in caught.value.problems]
    assert [line for line, _ in told] == [4, 6, 10]  # builtins, without a function, has no run
    assert "did you mean function?" in told[0][1] and "third, which is no step" in told[2][1]


def test_a_recipe_that_was_never_a_file() -> None:
    parser = RecipeParser()
    made = {"steps": [{"name": "a", "cmd": "echo", "args": [1.5, True, None]}]}
    assert parser.validate(made)
    assert [each["name"] for each in parser.parse_steps(made)] == ["a"]
    for wrong, error in (
        ({"steps": []}, RecipeError),
        ({}, RecipeError),
        ([], RecipeError),
        ({"steps": [{"name": "a", "cmd": "x", "args": {1, 2}}]}, InvalidValue),
        ({"steps": [{"name": "a", "cmd": "x", "timeout": float("nan")}]}, InvalidValue),
    ):
        with pytest.raises(error):
            parser.validate(wrong)  # type: ignore[arg-type]


def test_without_imports_nothing_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("steps: [{name: a, function: 'not_there_at_all:x'}]", encoding="utf-8")
    parser = RecipeParser(imports=False)
    assert parser.validate(parser.load(path))
    with pytest.raises(RecipeError, match="not_there_at_all"):
        RecipeParser().validate(parser.load(path))


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("- name: a\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="put steps: over it"):
        RecipeParser().load(path)
    with pytest.raises(UsageError, match="there is no file"):
        RecipeParser().load(tmp_path / "q.yaml")


# -- Executor ------------------------------------------------------------------------------------


def test_executor_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Path) -> None:
    monkeypatch.chdir(tmp_path)
    executor = Executor(values={"a": 1}, draw=False)
    result = executor.execute(recipe, instance=tmp_path / "here")
    assert result.status == "COMPLETE_SUCCESS" and result.directory == str(tmp_path / "here")
    assert json.loads((tmp_path / "here" / ".octo_step_engine_parameters.json").read_text())["ctx"] == {"a": 1}
    again = executor.execute(recipe, instance=tmp_path / "here")
    assert again.run_id != result.run_id  # the first ended well
    with pytest.raises(TypeError, match="workers"):
        Executor(workers=3)
    with pytest.raises(TypeError, match="fast"):
        executor.execute(recipe, fast=True)


def test_a_failed_step_is_in_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text("steps: [{name: a, module: math, function: sqrt, args: [-1]}]", encoding="utf-8")
    result = run_recipe("r.yaml", draw=False)
    assert (result.status, result.exit_code, result.error["node"]) == ("COMPLETE_ERROR", 1, "a")


def test_recipes_are_found_from_the_orchestrators_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "orchestrator" / "recipes"
    folder.mkdir(parents=True)
    (folder / "one.yaml").touch()
    assert find_recipe("recipes/one.yaml") == folder / "one.yaml" == only_recipe()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "one.yaml").touch()
    assert find_recipe("recipes/one.yaml") == Path("recipes/one.yaml")
    assert find_recipe("none.yaml") == Path("none.yaml")


# -- save_state ----------------------------------------------------------------------------------


def test_saved_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out.csv").write_bytes(b"a,b\n")
    assert save_state({"x": (1, 2)}, [Path("out.csv"), "gone.csv"]) == tmp_path / "state.json"
    state = load_state()
    assert state["ctx"] == {"x": [1, 2]} and state["files_touched"] == ["out.csv", "gone.csv"]
    assert state["files"] == [
        {"path": "out.csv", "size": 4, "sha256": hashlib.sha256(b"a,b\n").hexdigest()},
        {"path": "gone.csv"},
    ]
    with pytest.raises(ValueError, match="x"):
        save_state({"x": object()})
    assert load_state()["ctx"] == {"x": [1, 2]}  # a save that cannot be leaves the one before
    assert [path.name for path in tmp_path.iterdir() if "state" in path.name] == ["state.json"]


def test_saved_state_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="save_state"):
        load_state(tmp_path / "state.json")
    for text in ("{", "[]", '{"ctx": 3}'):
        (tmp_path / "state.json").write_text(text, encoding="utf-8")
        with pytest.raises(BadJson):
            load_state(tmp_path / "state.json")
