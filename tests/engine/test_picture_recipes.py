"""The picture of a recipe: what each step's node says, before, during and after a run."""

from __future__ import annotations

import re
import struct
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from octo.cli.main import cli
from octo.engine import dot, layout
from octo.engine.graph import Arrow, Graph, StepSpec
from octo.engine.live_picture import GraphPicture
from octo.engine.marks import Marks, marks_from_state
from octo.engine.picture import describe_picture, draw
from octo.engine.step_picture import MOST_ARROWS, list_order, without_shortcuts
from octo.recipe.run import run_recipe


def plan(*steps: tuple[Any, ...], source: Path = Path("/recipes/demo.yaml")) -> Graph:
    """A graph of `(name, names of what it waits for, flags)`."""
    full = [(*step, *((), {})[len(step) - 1 :]) for step in steps]
    arrows: dict[str, dict[str, Arrow]] = {name: {} for name, _, _ in full}
    for name, needs, _ in full:
        for need in needs:
            arrows[need][name] = Arrow(name, need, name)
    return Graph(source, {
        name: StepSpec(name, "work:step", object, source, arrows=arrows[name], needs=tuple(needs), **flags)
        for name, needs, flags in full
    })


DEMO = plan(
    ("watch", (), {"background": True}),
    ("load", (), {"exit_breakpoint": True}),
    ("left", ("load",), {"parallel": True}),
    ("right", ("load",), {"parallel": True, "lane": "process"}),
    ("each", ("left",), {"parallel": True, "fans_out": True}),
    ("again", ("right",), {"retry": {"attempts": 4}}),
    ("hope", ("right",), {"allow_failure": True}),
    ("never", ("load",)),
    ("old", ("load",)),
    ("other",),
    ("report", ("each", "hope")),
)
STATE: dict[str, Any] = {
    "global_parameters": {"step_engine_state": "RUNNING", "step_engine_instance_path": "/here/demo.octo"},
    "breakpoints": {"report": {"entry": True}},
    "steps": {
        "watch": {"status": "RUNNING", "attempt": 1},
        "load": {"status": "DONE", "attempt": 1, "seconds": 0.25, "usage": {"cpu": 0.2, "rss": 50 << 20}},
        "left": {"status": "DONE", "attempt": 1, "seconds": 90.2, "usage": {"cpu": 3, "rss": 7 << 20, "shared": True}},
        "right": {"status": "DONE", "attempt": 3, "seconds": 2.5},
        "each": {
            "status": "RUNNING", "attempt": 1,
            "items": {
                **{str(n): {"status": "DONE", "item": n, "usage": {"cpu": 0.5, "rss": n << 20}} for n in range(4)},
                "4": {"status": "RUNNING", "item": 4},
                "5": {"status": "FAILED", "item": 5},
                **{str(n): {"status": "WAITING", "item": n} for n in range(6, 10)},
            },
        },
        "again": {"status": "RUNNING", "attempt": 2},
        "hope": {"status": "FAILED", "attempt": 1, "seconds": 1.0, "error": {"type": "PowerLost", "message": "!"}},
        "never": {"status": "SKIPPED", "reason": "when: x is not so"},
        "old": {"status": "CACHED", "seconds": 0.0, "reason": "the same as before"},
        "other": {"status": "LEFT_OUT", "reason": "--only names others"},
        "report": {"status": "WAITING", "reason": "new run"},
    },
}


def source_of(graph: Graph, marks: Marks | None = None) -> str:
    return dot.dot_source(describe_picture(graph, marks or Marks()))


def node_line(source: str, name: str) -> str:
    """The node's statement in DOT text."""
    return next(line for line in source.splitlines() if re.match(rf'\s*"?{re.escape(name)}"? \[', line))


def arrow_line(source: str, first: str, then: str) -> str:
    return next(line for line in source.splitlines() if line.strip().startswith(f"{first} -> {then} ["))


def png_size(file: Path) -> tuple[int, int]:
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


# --- what nodes say


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("watch", ["background", ">running<", "shape=component"]),
        ("load", [">done, 0.25 s<", ">CPU 0.20 s, 50 MiB<", "break at exit"]),
        ("left", ["parallel", ">done, 90 s<", ">CPU ~3.00 s, ~7 MiB<"]),
        ("right", ["parallel, own process", ">done, 2.50 s, try 3<"]),
        ("each", ["parallel, for each item", ">4 of 10 done, 1 running, 1 failed<", "CPU 2.00 s, 3 MiB"]),
        ("each", ["peripheries=2"]),
        ("again", [">running, try 2 of 4<"]),
        ("hope", [">failed (allowed), 1.00 s<", ">PowerLost<"]),
        ("never", [">skipped<", "dashed", "when: x is not so"]),
        ("old", [">cached<", "the same as before"]),
        ("other", [">left out<", "dashed"]),
        ("report", [">waiting<", "break at entry"]),
    ],
)
def test_nodes_say_how_far_each_step_is(name: str, words: list[str]) -> None:
    line = node_line(source_of(DEMO, marks_from_state(DEMO, STATE)), name)
    for word in words:
        assert word in line, word


def test_each_status_has_a_colour_and_a_line_of_its_own() -> None:
    statuses = ("waiting", "running", "done", "failed", "skipped", "left out", "cached", "stopped")
    assert len({dot.FILL[status] for status in statuses}) == len(statuses)
    assert len({dot.LINE[status] for status in statuses}) == len(statuses)
    source = source_of(DEMO, marks_from_state(DEMO, STATE))
    for status, name in [("done", "load"), ("failed", "hope"), ("cached", "old"), ("left out", "other")]:
        assert dot.FILL[status] in node_line(source, name) and dot.LINE[status] in node_line(source, name)
    assert all(f"&nbsp;{status}&nbsp;" in source for status in statuses)


def test_the_heading_counts() -> None:
    source = source_of(DEMO, marks_from_state(DEMO, STATE))
    assert "<B>demo.octo</B>" in source
    assert "RUNNING, 3 of 11 steps done, 3 running, 1 failed, 1 skipped, 1 left out, 1 cached" in source
    assert "<B>demo.yaml</B>  11 steps" in source_of(DEMO)


def test_what_nobody_runs_any_more_was_cut_off() -> None:
    paused = {**STATE, "global_parameters": {"step_engine_state": "PAUSED"}}
    source = source_of(DEMO, marks_from_state(DEMO, paused))
    assert ">cut off, try 2 of 4<" in node_line(source, "again")
    assert "1 cut off" in node_line(source, "each") and "3 cut off" in source


def test_before_a_run_nothing_is_said_of_it() -> None:
    source = source_of(DEMO)
    assert ">waiting<" not in source and "&nbsp;done&nbsp;" not in source
    assert "parallel, for each item" in node_line(source, "each") and "background" in node_line(source, "watch")
    assert "break at exit" in node_line(source, "load")


def test_arrows_tell_what_is_still_waited_for() -> None:
    source = source_of(DEMO, marks_from_state(DEMO, STATE))
    assert "class=met" in arrow_line(source, "load", "left") and "dashed" not in arrow_line(source, "load", "left")
    assert "class=waits" in arrow_line(source, "each", "report") and "dashed" in arrow_line(source, "each", "report")
    assert "class=met" in arrow_line(source, "hope", "report")  # its failure is allowed
    after_background = plan(("watch", (), {"background": True}), ("use", ("watch",)))
    running = {"steps": {"watch": {"status": "RUNNING"}}, "global_parameters": {"step_engine_state": "RUNNING"}}
    assert "class=met" in arrow_line(
        source_of(after_background, marks_from_state(after_background, running)), "watch", "use")


@pytest.mark.parametrize(
    "steps",
    [3, [], {"load": 3}, {"load": {"status": "FINE"}}, {"gone": {"status": "DONE"}}, {"load": {}}],
)
def test_what_people_wrote_into_the_state_does_no_harm(steps: Any) -> None:
    assert marks_from_state(DEMO, {"steps": steps}).steps == {}
    odd = {"status": "DONE", "seconds": "long", "attempt": "x", "usage": 3, "error": 4, "items": {"x": 1, "2": {}}}
    marks = marks_from_state(DEMO, {"steps": {"load": odd}})
    assert ">done<" in node_line(source_of(DEMO, marks), "load")


def test_a_retry_setting_that_cannot_be_read_is_no_reason_to_draw_nothing() -> None:
    graph = plan(("a", (), {"retry": {"tries": 3}}))
    assert ">failed, try 2<" in source_of(graph, marks_from_state(
        graph, {"steps": {"a": {"status": "FAILED", "attempt": 2}}}))


# --- the order of a list, and what follows from other arrows


def test_a_list_without_dependencies_shows_its_order() -> None:
    graph = plan(("load",), ("watch", (), {"background": True}), ("a", (), {"parallel": True}),
                 ("b", (), {"parallel": True}), ("c",), ("d",))
    steps = [spec for spec in graph.nodes.values() if isinstance(spec, StepSpec)]
    assert list_order(steps) == [
        ("load", "watch"), ("load", "a"), ("load", "b"), ("a", "c"), ("b", "c"), ("c", "d")]
    source = source_of(graph)
    assert "class=order" in arrow_line(source, "a", "c") and "order of the list" in source
    assert "order of the list" not in source_of(DEMO)


def test_arrows_that_follow_from_others_are_left_out_of_a_crowd() -> None:
    assert without_shortcuts(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("a", "c"), ("a", "d"), ("c", "d")]) == [
        ("a", "b"), ("b", "c"), ("c", "d")]
    names = [f"s{n:03}" for n in range(80)]
    crowd = plan(*[(name, tuple(names[:n])) for n, name in enumerate(names)])
    picture = describe_picture(crowd, Marks())
    assert sum(range(80)) > MOST_ARROWS and len(picture["arrows"]) == 79
    assert "that follow from others are not drawn" in dot.dot_source(picture)
    few = plan(("a",), ("b", ("a",)), ("c", ("a", "b")))
    assert len(describe_picture(few, Marks())["arrows"]) == 3


def test_arrows_between_two_crowds_meet_at_a_junction() -> None:
    a, b = [f"a{n}" for n in range(50)], [f"b{n}" for n in range(50)]
    graph = plan(*[(name,) for name in a], ("junction 1", tuple(a[:2])), *[(name, tuple(a)) for name in b])
    marks = marks_from_state(graph, {"steps": {name: {"status": "DONE"} for name in a[:9]}})
    source = source_of(graph, marks)
    assert len(re.findall(r"^\t\S.* -> .* \[", source, re.MULTILINE)) == 2 + 50 + 50
    point = '"junction 1 "'
    assert "arrowhead=none" in arrow_line(source, "a3", point) and "class=met" in arrow_line(source, "a3", point)
    assert "class=waits" in arrow_line(source, point, "b7") and "arrowhead" not in arrow_line(source, point, "b7")
    done = marks_from_state(graph, {"steps": {name: {"status": "DONE"} for name in a}})
    assert "class=met" in arrow_line(source_of(graph, done), point, "b7")
    assert arrow_line(source, "a1", '"junction 1"')  # a step of that name is another thing


def test_steps_that_wait_for_nothing_stand_together() -> None:
    graph = plan(("a",), *[(f"loose_{n}",) for n in range(30)], ("b", ("a",)))
    source = source_of(graph)
    x = {name: float(re.search(r'pos="([-\d.]+),', node_line(source, name))[1]) for name in graph.nodes}  # type: ignore[index]
    assert x["a"] < x["b"] < min(x[f"loose_{n}"] for n in range(30))


@pytest.mark.parametrize("kind", ["chain", "list", "wide"])
def test_large_recipes_have_the_shape_of_a_screen(tmp_path: Path, kind: str) -> None:
    names = [f"step_{n:03}" for n in range(300)]
    flags = {"parallel": kind == "wide"}
    graph = plan(*[(name, (names[n - 1],) if n and kind == "chain" else (), flags) for n, name in enumerate(names)])
    draw(graph, Marks(), tmp_path / "graph.png")
    width, height = png_size(tmp_path / "graph.png")
    assert 1000 < width < 6000 and 600 < height < 6000 and 0.8 < width / height < 2.6
    assert not layout.is_small(layout.layers(names, list_order(
        [spec for spec in graph.nodes.values() if isinstance(spec, StepSpec)])))


# --- during a run


def event(kind: str, node: str = "", **data: Any) -> Any:
    return SimpleNamespace(kind=kind, time=time.time(), node=node, visit=1, data=data)


def begin(live: GraphPicture, instance: Path, runs: dict[str, str], state: dict[str, Any] | None = None) -> None:
    live(event("run_started", graph=DEMO, instance=instance, state=state or {}, run_id="r", resumed=bool(state),
               runs=runs))


def test_events_become_the_picture(tmp_path: Path) -> None:
    live = GraphPicture(tmp_path / "live.svg", interval=60)
    begin(live, tmp_path / "demo.octo", dict.fromkeys([name for name in DEMO.nodes if name != "other"], "new run"))
    for name in ("watch", "load"):
        live(event("step_entered", name, resumed=False))
    live(event("step_executed", "load", seconds=0.5, skipped=False, usage={"cpu": 0.25, "rss": 9 << 20}))
    live(event("step_exited", "load", status="DONE"))
    live(event("step_entered", "each"))
    live(event("step_fanned_out", "each", items=5))
    for n in range(3):
        live(event("step_entered", f"each[{n}]"))
    live(event("step_executed", "each[0]", seconds=1, skipped=False, usage={"cpu": 1.0}))
    live(event("step_exited", "each[0]", status="DONE"))
    live(event("step_failed", "each[1]", will_retry=False, attempt=1))
    live(event("step_entered", "again"))
    live(event("step_failed", "again", will_retry=True, attempt=1, error={"type": "X"}))
    live(event("step_entered", "hope"))
    live(event("step_failed", "hope", will_retry=False, attempt=1, error={"type": "PowerLost"}))
    live(event("step_entered", "never"))
    live(event("step_exited", "never", status="SKIPPED", reason="when: no"))
    live(event("step_entered", "nobody"))
    live(event("breakpoint_hit", "load", where="exit"))
    source = source_of(DEMO, live.marks)
    for name, words in {
        "watch": ">running<", "load": ">done, 0.50 s<", "each": ">1 of 5 done, 1 running, 1 failed<",
        "again": ">running, try 2 of 4<", "hope": ">PowerLost<", "never": ">skipped<", "other": ">left out<",
        "report": ">waiting<",
    }.items():
        assert words in node_line(source, name), name
    live(event("run_ended", result=SimpleNamespace(status="COMPLETE_ERROR")))
    assert "COMPLETE_ERROR, 1 of 11 steps done" in (tmp_path / "live.svg").read_text("utf-8").replace("&#160;", " ")


def test_a_run_that_goes_on_keeps_what_is_done_and_begins_the_rest(tmp_path: Path) -> None:
    live = GraphPicture(tmp_path / "live.svg", interval=60)
    begin(live, tmp_path / "demo.octo", dict.fromkeys(["each", "again", "left", "report"], "not run yet"), STATE)
    source = source_of(DEMO, live.marks)
    assert ">done, 0.25 s<" in node_line(source, "load") and ">cached<" in node_line(source, "old")
    assert ">waiting<" in node_line(source, "left")  # done before, and to be done again
    assert ">4 of 10 done<" in node_line(source, "each")
    assert ">left out<" in node_line(source, "hope")
    live(event("run_ended", result=None))


# --- whole runs


WORK = '''
def fine(ctx):
    return 1

def shaky(ctx):
    ctx["tries"] = ctx.get("tries", 0)
    import pathlib
    mark = pathlib.Path("tried")
    if not mark.exists():
        mark.touch()
        raise ValueError("not yet")

def bad(ctx):
    raise RuntimeError("no power")

def watch(ctx):
    ctx.stop.wait(60)
'''
RECIPE = '''
steps:
  - {name: watch, function: "picture_work:watch", background: true}
  - {name: load, function: "picture_work:fine"}
  - {name: shaky, function: "picture_work:shaky", depends_on: [load], retry: {attempts: 2}}
  - {name: each, function: "picture_work:fine", for_each: "[1, 2, 3]", parallel: true, depends_on: [load]}
  - {name: never, function: "picture_work:fine", when: "false", depends_on: [load]}
  - {name: fails, function: "picture_work:bad", depends_on: [each, shaky]}
  - {name: report, function: "picture_work:fine", depends_on: [fails]}
'''


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "picture_work.py").write_text(WORK)
    (tmp_path / "lab.yaml").write_text(RECIPE)
    return tmp_path / "lab.yaml"


def octo(*words: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        cli(list(words))
    assert end.value.code == code


def test_the_picture_of_a_real_run(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live = GraphPicture(tmp_path / "live.dot", interval=60)
    picture = tmp_path / "lab.octo" / "Assets" / "graph.png"
    assert run_recipe(recipe, subscribers=[live]).status == "COMPLETE_ERROR"
    assert png_size(picture)
    picture.unlink()
    octo("graph", "lab.octo")
    assert png_size(picture)
    octo("graph", "lab.octo", "-o", "after.dot")
    source = (tmp_path / "after.dot").read_text("utf-8")
    for name, words in {
        "watch": ">stopped", "load": ">done", "shaky": "try 2 of 2<", "each": ">3 of 3 done<", "never": ">skipped<",
        "fails": ">RuntimeError<", "report": ">waiting<",
    }.items():
        assert words in node_line(source, name), name
    assert source_of(live._graph or DEMO, live.marks) == source  # what is drawn at the end is what is in the file


def test_an_instance_is_drawn_as_its_run_had_the_recipe(recipe: Path, tmp_path: Path) -> None:
    run_recipe(recipe, draw=False)
    recipe.write_text("steps: [")
    octo("graph", "lab.octo", "-o", "then.dot")
    assert ">RuntimeError<" in (tmp_path / "then.dot").read_text("utf-8")
    recipe.unlink()
    octo("graph", "lab.octo", "-o", "gone.dot")
    assert (tmp_path / "gone.dot").read_text("utf-8") == (tmp_path / "then.dot").read_text("utf-8")


def test_a_recipe_file_is_drawn_without_a_run_or_an_import(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "picture_work.py").write_text("raise SystemExit('imported')")
    octo("graph", "lab.yaml")
    assert capsys.readouterr().out == "graph.png\n" and png_size(tmp_path / "graph.png")
    octo("graph", "lab.yaml", "-o", "plan.dot")
    source = (tmp_path / "plan.dot").read_text("utf-8")
    assert "lab.yaml" in source and "7 steps" in source and arrow_line(source, "fails", "report")
    assert not (tmp_path / "lab.octo").exists()


def test_recipes_that_cannot_be_drawn(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    octo("graph", "lob.yaml", code=2)
    assert "there is no file lob.yaml; did you mean lab.yaml?" in capsys.readouterr().err
    recipe.write_text("steps:\n  - {name: a, function: 'x:y', depends_on: [b]}\n")
    octo("graph", "lab.yaml", code=2)
    assert "lab.yaml:2" in capsys.readouterr().err
