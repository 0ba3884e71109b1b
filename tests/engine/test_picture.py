"""The picture: what it says, how large it is, and that a run does not wait for it."""

from __future__ import annotations

import logging
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pygraphviz
import pytest

from octo.engine import dot, dot_text, layout, live_picture, picture, render
from octo.engine.graph import FAILURE_ARROW, Arrow, Graph, NodeSpec
from octo.engine.live_picture import GraphPicture
from octo.engine.marks import Marks, marks_from_state
from octo.engine.picture import describe_picture, draw
from octo.errors import NotAvailable, OctoError, UsageError


def graph_of(
    arrows: list[tuple[Any, ...]], directory: Path = Path("/lib/demo"), **flags: dict[str, Any]
) -> Graph:
    """A graph of `(source, target)`, `(source, target, key)` or `(source, target, key, more of Arrow)`."""
    names = dict.fromkeys(name for arrow in arrows for name in arrow[:2])
    names |= dict.fromkeys(flags)
    nodes = {}
    for number, name in enumerate(names):
        mine = [a for a in arrows if a[0] == name]
        ways = {}
        for a in mine:
            key = a[2] if len(a) > 2 else "next"
            ways[key] = Arrow(key=key, source=name, target=a[1], **(a[3] if len(a) > 3 else {}))
        path = directory / f"step_node_{name}.py"
        more = {"first": number == 0} | flags.get(name, {})
        nodes[name] = NodeSpec(name=name, module="m", cls=object, path=path, arrows=ways, **more)
    return Graph(directory, nodes)


def chain(length: int) -> Graph:
    names = [f"step_node_{n:03}" for n in range(length)]
    arrows: list[tuple[Any, ...]] = [*zip(names, names[1:], strict=False)]
    return graph_of(
        [*arrows, (names[length // 2], names[length // 3], "again"), (names[7], names[6], "back")]
    )


def wide(width: int) -> Graph:
    out = [("load", f"channel_{n}", f"to_{n}") for n in range(width)]
    return graph_of([*out, *((f"channel_{n}", "report") for n in range(width))])


def dense(length: int) -> Graph:
    arrows: list[tuple[Any, ...]] = []
    for n in range(length - 1):
        arrows.append((f"n{n}", f"n{n + 1}"))
        arrows.append((f"n{n}", f"n{min(length - 1, n + 3)}", "skip"))
        arrows.append((f"n{n}", f"n{n - n % 5}", "again"))
    return graph_of(arrows)


def png_size(file: Path) -> tuple[int, int]:
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data.rstrip().endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def source_of(graph: Graph, marks: Marks | None = None) -> str:
    return dot.dot_source(describe_picture(graph, marks or Marks()))


def svg_group(svg: str, title: str) -> str:
    """The SVG group of a node or arrow by its title (Graphviz writes `a&#45;&gt;b`)."""
    title = title.replace("-", "&#45;").replace(">", "&gt;")
    return next(part for part in svg.split("<!--") if f"<title>{title}</title>" in part)


DEMO = graph_of(
    [
        ("load", "check"),
        ("check", "check", "again"),
        ("check", "clean", "pass"),
        ("check", "report", FAILURE_ARROW),
        ("clean", "report"),
        ("report", "notify", "tell", {"active": False}),
        ("report", "nowhere", "lost", {"active": False}),
    ],
    notify={"active": False},
    clean={"skip_execute": True, "exit_breakpoint": True},
    nowhere={},
)
del DEMO.nodes["nowhere"]

STATE: dict[str, Any] = {
    "global_parameters": {
        "step_engine_state": "PAUSED",
        "pause_reason": "breakpoint at entry of report",
        "step_engine_instance_path": "/somewhere/my_instance",
    },
    "breakpoints": {"report": {"entry": True}, "clean": {"exit": False}},
    "engine": {
        "node": "report",
        "visit": 6,
        "visits": {"load": 1, "check": 4, "clean": 1, "report": 1},
        "seconds": {"load": 0.0123, "check": 71.2},
        "taken": {
            "load": {"next": {"check": 1}},
            "check": {"again": {"check": 3}, "pass": {"clean": 1}},
            "clean": {
                "step_arrow_graph_list_key_load": {"load": 2},
                "COMPLETE": {"": 1},
                "next": {"report": 1},
            },
        },
    },
}


# --- what happened


def test_marks_of_a_state():
    marks = marks_from_state(DEMO, STATE)
    assert marks.title == "my_instance" and marks.state == "PAUSED: breakpoint at entry of report"
    assert marks.status == {"load": "done", "check": "done", "clean": "skipped", "report": "current"}
    assert marks.visits["check"] == 4 and marks.seconds["check"] == 71.2
    assert marks.taken["check"]["again"] == {"check": 3}
    assert marks.breakpoints["report"] == (True, False) and marks.breakpoints["clean"] == (False, False)


def test_marks_of_other_ends():
    failed = {**STATE, "global_parameters": {"step_engine_state": "COMPLETE_ERROR"}}
    assert marks_from_state(DEMO, failed).status["report"] == "failed"
    done = {**STATE, "global_parameters": {"step_engine_state": "COMPLETE_SUCCESS"}}
    assert marks_from_state(DEMO, done).status["report"] == "done"
    way_out = {"engine": {"visits": {"check": 1}, "taken": {"check": {FAILURE_ARROW: {"report": 1}}}}}
    assert marks_from_state(DEMO, way_out).status == {"check": "failed"}
    fresh = marks_from_state(DEMO, {})
    assert fresh.status == {} and fresh.breakpoints["clean"] == (False, True)


@pytest.mark.parametrize(
    "engine",
    [
        3,
        {"visits": 3, "seconds": [], "taken": "x", "node": 4},
        {
            "visits": {"load": "x", "check": 0},
            "seconds": {"load": "x"},
            "taken": {"load": 3, "check": {"again": 3}},
        },
        {"taken": {"load": {"next": {"check": "many"}}}},
    ],
)
def test_what_people_wrote_into_the_state_does_no_harm(engine):
    state = {"engine": engine, "breakpoints": {"load": 3}, "global_parameters": {"step_engine_state": None}}
    marks = marks_from_state(DEMO, state)
    assert (marks.status, marks.visits, marks.taken, marks.seconds) == ({}, {}, {}, {})
    assert "load" in source_of(DEMO, marks)


def test_a_picture_of_a_graph_with_no_first_node():
    graph = graph_of([], a={"first": False}, b={"first": False})
    assert "start of the run" not in source_of(graph)
    assert source_of(Graph(Path("/lib/none"), {}))


# --- what the picture says


@pytest.fixture(scope="module")
def demo_svg(tmp_path_factory):
    out = tmp_path_factory.mktemp("picture with space") / "graph.svg"
    draw(DEMO, marks_from_state(DEMO, STATE), out)
    assert [p.name for p in out.parent.iterdir()] == ["graph.svg"]
    return out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("node", "classes", "texts"),
    [
        ("load", "done", ["done, 12 ms"]),
        ("check", "done", ["done, 4×, 71 s"]),
        ("clean", "skipped", ["skipped"]),
        ("report", "current", ["break at entry", "current"]),
        ("notify", "waiting inactive", ["inactive"]),
    ],
)
def test_nodes_carry_what_happened(demo_svg, node, classes, texts):
    group = svg_group(demo_svg, node)
    assert f'class="node {classes}"' in group
    if classes in dot.FILL:
        assert f'fill="{dot.FILL[classes]}"' in group and dot.LINE[classes] in (group + "black#000000")
    shown = group.replace("&#160;", " ")
    for text in texts:
        assert text in shown
    assert ("break at exit" in shown) is False


def test_arrows_taken_are_told_from_those_not_taken(demo_svg):
    again = svg_group(demo_svg, "check->check")
    assert 'class="edge taken"' in again and "again 3×" in again and "dasharray" not in again
    untaken = svg_group(demo_svg, "check->report")
    assert 'class="edge untaken failure"' in untaken and "dasharray" in untaken and "failure_path" in untaken
    assert 'class="edge inactive"' in svg_group(demo_svg, "report->notify")
    dynamic = svg_group(demo_svg, "clean->load")
    assert 'class="edge taken dynamic"' in dynamic and "2×" in dynamic
    assert 'class="edge taken"' in svg_group(demo_svg, "clean->end of the run")
    assert "nowhere" not in demo_svg


def test_title_state_and_legend(demo_svg):
    text = demo_svg.replace("&#160;", " ")
    for part in (
        "my_instance",
        "PAUSED: breakpoint at entry of report",
        "not reached",
        "not taken",
        "n = n times",
    ):
        assert part in text.replace("n× = n times", "n = n times")


def test_breakpoints_of_the_graph_and_both_at_once():
    text = source_of(DEMO)
    assert "break at exit" in text.split("clean [")[1].split("\n")[0]
    both = source_of(graph_of([], a={"entry_breakpoint": True, "exit_breakpoint": True}))
    assert both.index("break at entry") < both.index("<TR><TD>a</TD>") < both.rindex("break at exit</FONT>")


def test_failures_show_on_nodes_and_arrows():
    marks = Marks(status={"check": "failed"}, taken={"check": {FAILURE_ARROW: {"report": 1}}})
    text = source_of(DEMO, marks)
    assert dot.FILL["failed"] in text.split("\tcheck [")[1].split("\n")[0]
    assert dot.LINE["failed"] in text.split("check -> report")[1].split("\n")[0]


def test_own_graphviz_attributes_are_respected_and_ours_on_top():
    attrs = {
        "label": "SM\\nline & 2",
        "shape": "ellipse",
        "fillcolor": "pink",
        "peripheries": 2,
        "nojustify": True,
    }
    edge = {"attrs": {"label": "go", "color": "blue", "style": "bold", "weight": 5}}
    graph = graph_of([("a", "b", "k", edge)], a={"attrs": attrs}, b={"attrs": {"style": "bold"}})
    text = source_of(graph)
    for part in ("SM<BR/>line &amp; 2", "shape=ellipse", "fillcolor=pink", "peripheries=2", "nojustify=true"):
        assert part in text
    assert "color=blue" in text and "label=go" in text and "weight=5" in text and "style=dashed" in text
    marks = Marks(status={"a": "done", "b": "current"}, taken={"a": {"k": {"b": 2}}})
    text = source_of(graph, marks)
    assert "fillcolor=pink" not in text and dot.FILL["done"] in text and 'label="go 2×"' in text
    assert "color=blue" not in text and "style=solid" in text


def test_labels_that_are_not_plain_text_keep_their_form(tmp_path):
    attrs = {
        "r": {"shape": "record", "label": "{a|b}"},
        "h": {"label": "<<B>bold</B>>"},
        "p": {"shape": "point"},
    }
    flags: dict[str, Any] = {name: {"attrs": a, "entry_breakpoint": True} for name, a in attrs.items()}
    graph = graph_of([("r", "h", "k", {"attrs": {"label": "<<I>x</I>>"}})], **flags)
    marks = Marks(status={"h": "done"}, taken={"r": {"k": {"h": 2}}})
    text = source_of(graph, marks)
    assert 'label="{a|b}"' in text and "label=<<B>bold</B>>" in text and "label=<<I>x</I>>" in text
    assert 'xlabel="done, break at entry"' in text and 'xlabel="2×"' in text
    draw(graph, marks, tmp_path / "x.svg")


NASTY = [
    'say "hi"',
    "<b>bold",
    "<table>",
    "a:b:c",
    "back\\slash\\",
    "R&D &lt;",
    "line\nbreak",
    "tab\tand\x00nul",
    "node",
    "start of the run",
    "\ud800 alone",
    "größe 数据",
    "{x|y}",
    "",
]


@pytest.mark.parametrize("as_label", [False, True])
def test_any_text_can_be_a_name_or_a_label(tmp_path, as_label):
    names = [f"n{i}" for i in range(len(NASTY))] if as_label else NASTY
    flags: dict[str, Any] = {
        n: {"attrs": {"label": t} if as_label else {}} for n, t in zip(names, NASTY, strict=True)
    }
    arrows = [(a, b, t) for a, b, t in zip(names, names[1:], NASTY, strict=False)]
    arrows += [(a, a, "x", {"attrs": {"label": t, "tooltip": t}}) for a, t in zip(names, NASTY, strict=True)]
    marks = Marks(title="<&> \x01\"'", state="<x>", status={names[1]: "done"}, visits={names[1]: 2})
    draw(graph_of(arrows, **flags), marks, tmp_path / "graph.svg")
    svg = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert svg.count('class="node ') == len(NASTY)
    assert "R&amp;D" in svg and "größe 数据" in svg.replace("&#160;", " ")
    if not as_label:
        assert "&lt;b&gt;bold" in svg and "back\\slash\\" in svg


def test_long_names_are_broken_at_their_joints():
    text = source_of(graph_of([], a_step_with_a_very_long_name_that_says_everything={}))
    assert re.search(r"a_step_with_\w+_<BR/>\w+_<BR/>\w*everything", text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0004, "0.4 ms"), (0.0994, "99 ms"), (0.0996, "0.10 s"), (2.5, "2.50 s"), (42, "42 s")]
    + [(99.6, "1 min 40 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds, text):
    assert dot_text.duration(seconds) == text


# --- large pictures


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "size"),
    [(chain, 100), (wide, 98), (dense, 100), (chain, 1000)],
    ids=["chain", "wide", "dense", "1000"],
)
def test_large_graphs_have_the_shape_of_a_screen(tmp_path, make, size):
    graph = make(size)
    draw(graph, Marks(status={next(iter(graph.nodes)): "current"}), tmp_path / "graph.png")
    width, height = png_size(tmp_path / "graph.png")
    assert 1000 < width < 6000 and 600 < height < 6000
    assert 0.8 < width / height < 2.6


def test_no_two_nodes_of_a_large_picture_touch():
    graph = dense(60)
    names = list(graph.nodes)
    arrows = [(n, a.target) for n, s in graph.nodes.items() for a in s.arrows.values()]
    size = {name: (60.0 + 20 * (i % 3), 30.0 + 25 * (i % 2)) for i, name in enumerate(names)}
    layered = layout.layers(names, arrows)
    assert not layout.is_small(layered) and sorted(sum(layered, [])) == sorted(names)
    place = layout.places(layered, arrows, size)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            dx, dy = abs(place[a][0] - place[b][0]), abs(place[a][1] - place[b][1])
            assert dx > (size[a][0] + size[b][0]) / 2 or dy > (size[a][1] + size[b][1]) / 2


def test_layers():
    assert layout.layers([], []) == [] and layout.is_small([])
    loop = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a"), ("a", "c"), ("a", "b")]
    assert layout.layers(["a", "b", "c"], loop) == [["a"], ["b"], ["c"]]
    # What nothing leads to stands beside what it leads to; what stands alone is first.
    assert layout.layers(["a", "b", "c", "late", "alone"], [("a", "b"), ("b", "c"), ("late", "c")]) == [
        ["a", "alone"],
        ["b", "late"],
        ["c"],
    ]


def test_arrows_back_use_other_sides_in_large_graphs():
    graph = chain(100)
    text = source_of(graph)
    assert re.search(r"step_node_007 -> step_node_006 .*headport=[ns][ew].* tailport=[ns][ew]", text)
    names = list(graph.nodes)
    for name, after in zip(names, names[1:], strict=False):
        graph.nodes[after].arrows["undo"] = Arrow(key="undo", source=after, target=name)
    graph.nodes[names[-1]].arrows["self"] = Arrow(key="self", source=names[-1], target=names[-1])
    sides = set(re.findall(r"headport=(\w+)", source_of(graph)))
    assert {"se", "sw"} <= sides
    backwards = graph_of([*zip(names, names[1:], strict=False), *zip(names[1:], names, strict=False)][::-1])
    assert re.findall(r"headport=n?s?\w", source_of(backwards))


def test_a_large_graph_with_its_end():
    graph = chain(30)
    text = source_of(graph, Marks(taken={"step_node_029": {"COMPLETE": {"COMPLETE": 1}}}))
    assert re.search(r'"end of the run" \[.*pos=', text) and "layout=nop" in text


# --- files


def test_dot_and_unknown_extensions(tmp_path):
    draw(DEMO, Marks(), str(tmp_path / "graph.DOT"))
    assert (tmp_path / "graph.DOT").read_text(encoding="utf-8").startswith("digraph octo {")
    for name in ("graph.jpeg", "graph"):
        with pytest.raises(UsageError, match=r"known: \.png, \.svg, \.dot"):
            draw(DEMO, Marks(), tmp_path / name)
    with pytest.raises(UsageError, match="there is no directory"):
        draw(DEMO, Marks(), tmp_path / "no" / "graph.png")


@pytest.mark.parametrize("name", ["graph.png", "graph.svg", "graph.dot"])
def test_a_picture_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(OctoError, match="could not be (drawn|written)"):
        draw(DEMO, Marks(), tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_label_that_graphviz_cannot_read_does_not_stop_the_drawing(tmp_path):
    draw(graph_of([], a={"attrs": {"label": "<<B>open>"}}), Marks(), tmp_path / "graph.png")
    assert png_size(tmp_path / "graph.png")


def test_drawing_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(OctoError, match="it took longer than 0.001 s"):
        draw(chain(100), Marks(), tmp_path / "graph.png", timeout=0.001)


def fake_python(tmp_path: Path, text: str) -> str:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return str(script)


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="the stand-in is a shell script")
def test_what_the_drawing_process_says_is_passed_on(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", fake_python(tmp_path, "cat >/dev/null; exit 7"))
    with pytest.raises(OctoError, match="ended with 7"):
        draw(DEMO, Marks(), tmp_path / "graph.png")
    says = "echo \"ModuleNotFoundError: No module named 'pygraphviz'\" >&2; cat >/dev/null; exit 1"
    monkeypatch.setattr(sys, "executable", fake_python(tmp_path, says))
    with pytest.raises(NotAvailable, match="pygraphviz"):
        draw(DEMO, Marks(), tmp_path / "graph.png")


def test_a_machine_without_fonts(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "FONT_DIRECTORIES", [tmp_path])
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    assert not render.has_fonts()
    given = []
    real = pygraphviz.AGraph
    monkeypatch.setattr(pygraphviz, "AGraph", lambda string: given.append(string) or real(string=string))
    assert render.render('digraph { a [label="4× größe"] }', "png").startswith(b"\x89PNG")
    assert given == ['digraph { a [label="4x gr??e"] }']
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "font.ttf").write_bytes(b"")
    assert render.has_fonts()
    monkeypatch.setattr(sys, "platform", "win32")
    assert render.has_fonts()


def test_the_drawing_process_in_this_one(tmp_path, monkeypatch):
    """The child's code once more where its coverage is seen."""
    out = tmp_path / "graph.png"
    order = {"picture": describe_picture(DEMO, Marks()), "out": str(out), "format": "png", "time": time.time_ns()}
    monkeypatch.setattr(render.os, "nice", lambda by: by, raising=False)
    monkeypatch.setattr(render.json, "load", lambda stream: order)
    render.main()
    assert png_size(out) and out.stat().st_mode & 0o444
    order["out"] = str(tmp_path)
    with pytest.raises(OSError):
        render.main()
    assert [p.name for p in tmp_path.iterdir()] == ["graph.png"]
    monkeypatch.delattr(render.os, "nice")
    order["out"] = str(out)
    render.main()


def test_a_drawing_that_comes_late_replaces_no_newer_one(tmp_path):
    out = tmp_path / "graph.png"
    now = time.time_ns()
    render.write_whole(out, b"new", now)
    render.write_whole(out, b"old", now - 1)
    assert out.read_bytes() == b"new"
    render.write_whole(out, b"newer", now + 1)
    assert out.read_bytes() == b"newer"
    future = now + 3600 * 10**9  # a clock that was wrong
    os.utime(out, ns=(future, future))
    render.write_whole(out, b"newest", now + 2)
    assert out.read_bytes() == b"newest"


def test_no_graphviz_in_the_process_that_asks(tmp_path):
    code = (
        "import sys; from pathlib import Path; from octo.engine.graph import Graph\n"
        "from octo.engine.picture import *; from octo.engine.marks import Marks\n"
        f"draw(Graph(Path('/x'), {{}}), Marks(), Path({str(tmp_path / 'g.png')!r}))\n"
        "assert not {'pygraphviz', 'graphviz'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert png_size(tmp_path / "g.png")


# --- during a run


def event(kind: str, node: str = "", visit: int = 0, **data: Any) -> Any:
    return SimpleNamespace(kind=kind, time=time.time(), node=node, visit=visit, data=data)


def start(
    live: GraphPicture, instance: Path, state: dict[str, Any] | None = None, graph: Graph = DEMO
) -> None:
    live(
        event(
            "run_started", graph=graph, instance=instance, state=state or {}, run_id="r", resumed=bool(state)
        )
    )


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_events_become_marks_and_the_last_picture(tmp_path):
    live = GraphPicture(tmp_path / "live.svg", interval=60)
    live(event("step_entered", "load", 1))  # of a run whose start was not heard of
    start(live, tmp_path / "inst")
    live(event("step_entered", "load", 1, resumed=False))
    live(event("step_executed", "load", 1, seconds=0.5, skipped=False))
    live(event("step_exited", "load", 1))
    live(event("arrow_taken", "load", 1, key="next", target="check"))
    live(event("step_entered", "check", 2))
    live(event("step_failed", "check", 2, will_retry=True))
    assert live.marks.status == {"load": "done", "check": "current"}
    live(event("step_failed", "check", 2, will_retry=False))
    live(event("arrow_taken", "check", 2, key=FAILURE_ARROW, target="report"))
    live(event("step_entered", "clean", 3))
    live(event("step_executed", "clean", 3, seconds=None, skipped=True))
    live(event("arrow_taken", "clean", 3, key="next", target="report"))
    live(event("step_entered", "report", 4))
    live(event("breakpoint_hit", "report", 4, where="exit"))
    live(event("run_ended", result=SimpleNamespace(status="PAUSED")))
    assert live.marks.status == {"load": "done", "check": "failed", "clean": "skipped", "report": "current"}
    assert live.marks.visits == {"load": 1, "check": 1, "clean": 1, "report": 1}
    assert live.marks.seconds["load"] == 0.5
    svg = (tmp_path / "live.svg").read_text(encoding="utf-8")
    assert "PAUSED" in svg and "done, 0.50" in svg.replace("&#160;", " ")
    live.close()


def test_an_open_visit_is_not_counted_again_when_the_run_goes_on(tmp_path):
    live = GraphPicture(tmp_path / "live.svg")
    start(live, tmp_path, STATE)
    live(event("step_entered", "report", 6, resumed=True))
    assert live.marks.visits["report"] == 1
    live(event("arrow_taken", "report", 6, key="step_arrow_graph_list_key_load", target="load"))
    live(event("step_entered", "load", 7))
    assert live.marks.visits["load"] == 2 and live.marks.status["report"] == "done"
    live(event("run_ended", result=None))
    start(live, tmp_path, STATE)
    live(event("step_entered", "load", 7))  # a person has moved the run there
    assert live.marks.status["report"] == "done"
    live(event("run_ended", result=None))
    assert live.marks.state == "RUNNING"


@pytest.mark.slow
def test_it_is_drawn_while_the_run_goes_on_and_not_too_often(tmp_path, monkeypatch):
    made: list[float] = []
    real = live_picture.DrawingProcess

    def counted(*args: Any) -> Any:
        made.append(time.monotonic())
        return real(*args)

    monkeypatch.setattr(live_picture, "DrawingProcess", counted)
    live = GraphPicture(interval=0.5)
    start(live, tmp_path)
    out = tmp_path / "Assets" / "graph.png"
    wait_for(out.exists)
    first = out.stat().st_mtime_ns
    begun = time.monotonic()
    visit = 0
    # A drawing that takes long on a busy machine is followed by a longer rest.
    while time.monotonic() - begun < 2 or out.stat().st_mtime_ns == first:
        visit += 1
        live(event("step_entered", "check", visit))
        time.sleep(0.001)
        assert time.monotonic() - begun < 60
    live(event("run_ended", result=SimpleNamespace(status="COMPLETE_SUCCESS")))
    between = [b - a for a, b in zip(made, made[1:], strict=False)]
    assert len(made) <= 3 + (time.monotonic() - begun) / 0.5 and all(gap > 0.45 for gap in between[:-1])
    assert png_size(out) and sorted(p.name for p in out.parent.iterdir()) == ["graph.png"]
    quiet = len(made)
    live.close()
    assert len(made) == quiet


@pytest.mark.slow
def test_a_callback_costs_next_to_nothing(tmp_path):
    live = GraphPicture(interval=0.2)
    graph = chain(100)
    start(live, tmp_path, graph=graph)
    entered = [event("step_entered", name, n) for n, name in enumerate(graph.nodes)]
    taken = [event("arrow_taken", name, key="next", target="") for name in graph.nodes]
    costs = []
    for _ in range(100):
        for a, b in zip(entered, taken, strict=True):
            begun = time.perf_counter()
            live(a)
            live(b)
            costs.append(time.perf_counter() - begun)
    live(event("run_ended", result=None))
    assert sorted(costs)[len(costs) // 2] < 200e-6


def test_a_drawing_that_fails_is_one_warning(tmp_path, caplog):
    (tmp_path / "Assets").write_text("a file where the directory should be")
    live = GraphPicture(interval=0.01)
    with caplog.at_level(logging.WARNING):
        start(live, tmp_path)
        wait_for(lambda: caplog.records)
        live(event("step_entered", "check", 1))
        time.sleep(0.1)
        live(event("run_ended", result=None))
    assert len(caplog.records) == 1 and "could not be drawn" in caplog.text


def test_a_second_run_with_the_same_subscriber_starts_anew(tmp_path):
    live = GraphPicture(tmp_path / "g.svg")
    for name in ("one", "two"):
        start(live, tmp_path / name)
        live(event("unknown_kind"))
        live(event("run_ended", result=None))
        assert f">{name}<" in (tmp_path / "g.svg").read_text(encoding="utf-8")


def test_the_end_does_not_wait_for_ever(tmp_path, monkeypatch, caplog):
    live = GraphPicture(tmp_path / "g.png", last_wait=0.001)
    with caplog.at_level(logging.WARNING):
        start(live, tmp_path, graph=chain(100))
        begun = time.monotonic()
        live(event("run_ended", result=None))
    assert time.monotonic() - begun < 8
    assert "it took longer than" in caplog.text


def test_a_picture_of_a_process_that_is_gone_can_be_stopped_twice(tmp_path):
    child = picture.DrawingProcess(describe_picture(DEMO, Marks()), tmp_path / "g.png")
    child.stop()
    child.stop()
    assert not (tmp_path / "g.png").exists()
