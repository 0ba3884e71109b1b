"""The picture of a graph as DOT text: what is there, and what happened.

It takes plain data (`octo.engine.picture.describe_picture` makes it) and needs nothing else of Octo, so
that the process that draws starts fast.
"""

from __future__ import annotations

import collections
import re
from typing import Any

import graphviz

from octo.engine import layout
from octo.engine.dot_heading import BREAK, FAINT, FILL, LINE, TEXT, heading
from octo.engine.dot_text import as_html, attributes, duration, identifier, label_as_html, literal, shown_name

INACTIVE_FILL = "#f2f2f2"
FONT = "Helvetica,Arial,DejaVu Sans,sans-serif"
PREFIX = "step_arrow_graph_list_key_"
END, START = "end of the run", "start of the run"
MOST_NAMED = 6  # arrows of one node that are told apart by their keys
MANY_NODES, MANY_ARROWS = 150, 500
MARK_SIZE = (28.0, 28.0)  # points
DEPENDENCY = {
    "met": {"color": TEXT, "penwidth": "1.6"},
    "waits": {"color": "#9a9a9a", "style": "dashed"},
    "order": {"color": "#a8a8a8", "arrowhead": "vee"},
}
THICK, DASHED = ("current", "running", "failed"), ("skipped", "left out")
PLAIN_SHAPES = ("record", "Mrecord", "point")


def dot_source(picture: dict[str, Any]) -> str:
    """DOT text for a picture as plain data."""
    return _Drawing(picture).source()


class _Drawing:
    def __init__(self, picture: dict[str, Any]) -> None:
        self.picture = picture
        self.nodes: list[dict[str, Any]] = picture["nodes"]
        self.arrows: list[dict[str, Any]] = picture["arrows"]
        self.ids = {
            node["name"]: identifier(node["name"], n, (START, END)) for n, node in enumerate(self.nodes)
        }
        self.junctions: list[str] = picture.get("junctions", [])
        self.ids |= {name: name for name in self.junctions}
        self.number = {name: number for number, name in enumerate(self.ids)}
        self.ways = {(arrow["source"], arrow["target"]) for arrow in self.arrows}
        self.places = self.place_nodes()
        self.dot = graphviz.Digraph("octo")

    def source(self) -> str:
        self.settings()
        for node in self.nodes:
            self.node(node)
        for name in self.junctions:
            self.mark(name, "", shape="circle", width="0.09", style="filled", fillcolor=FAINT, color=FAINT)
        first = next((node["name"] for node in self.nodes if node["first"]), "")
        if first:
            self.mark(START, "", shape="circle", width="0.16", style="filled", fillcolor=TEXT)
            self.dot.edge(START, self.ids[first], color=TEXT, tooltip="the first node")
        if any(arrow["end"] for arrow in self.arrows):
            self.mark(END, "end", shape="doublecircle", fontsize="9", width="0.36", color=TEXT)
        ways = collections.Counter(arrow["source"] for arrow in self.arrows)
        for arrow in self.arrows:
            self.arrow(arrow, named=1 < ways[arrow["source"]] <= MOST_NAMED)
        return str(self.dot.source)

    def place_nodes(self) -> dict[str, layout.Size]:
        """Where the nodes of a large graph go; nothing for a small one, which Graphviz lays out well."""
        arrows = [(a["source"], END if a["end"] else a["target"]) for a in self.arrows if a["active"]]
        size = {node["name"]: _size(node) for node in self.nodes} | dict.fromkeys(self.junctions, MARK_SIZE)
        for node in self.nodes:
            if node["first"]:
                arrows.insert(0, (START, node["name"]))
                size = {START: MARK_SIZE} | size
        if any(arrow["end"] for arrow in self.arrows):
            size[END] = MARK_SIZE
        names = list(size)
        joined = set().union(*arrows)
        # Steps that wait for nothing, and nothing for them, stand together at the end, in nobody's way.
        loose = [name for name in names if name not in joined] if self.picture.get("steps") else []
        layered = layout.layers([name for name in names if name in joined] if loose else names, arrows)
        layered += [loose] if loose else []
        return {} if layout.is_small(layered) else layout.places(layered, arrows, size)

    def position(self, name: str) -> dict[str, str]:
        return {"pos": "{:.1f},{:.1f}!".format(*self.places[name])} if name in self.places else {}

    def mark(self, name: str, label: str, **attrs: str) -> None:
        self.dot.node(
            name, label, height=attrs["width"], margin="0", fixedsize="true", **attrs, **self.position(name)
        )

    def settings(self) -> None:
        self.dot.attr(
            "graph",
            layout="nop" if self.places else "dot",
            # Arrows that go around nodes take long to find in a large graph.
            splines="true" if len(self.nodes) <= MANY_NODES and len(self.arrows) <= MANY_ARROWS else "line",
            nodesep="0.28",
            ranksep="0.38",
            pad="0.25",
            bgcolor="white",
            outputorder="edgesfirst" if self.picture.get("steps") else "breadthfirst",
            fontname=FONT,
            labelloc="t",
            labeljust="l",
            label=heading(self.picture),
            tooltip=literal(self.picture.get("title") or "graph"),
        )
        self.dot.attr(
            "node",
            fontname=FONT,
            fontsize="12",
            shape="box",
            style="rounded",
            margin="0.12,0.06",
            height="0.4",
        )
        self.dot.attr("edge", fontname=FONT, fontsize="9.5", arrowsize="0.7")

    # --- nodes

    def node(self, node: dict[str, Any]) -> None:
        attrs = attributes(node["attrs"])
        status = node["status"]
        name = node["name"]
        styles = [s for s in attrs.pop("style", "rounded").split(",") if s]
        if status or "told" in node:  # a step is filled always, so that no arrow goes through its words
            styles += ["filled"]
            attrs |= {"fillcolor": FILL[status], "color": LINE[status], "fontcolor": TEXT}
            attrs["penwidth"] = "3" if status in THICK else "1.5"
        elif not node["active"]:
            attrs |= {"color": "#b5b5b5", "fontcolor": FAINT, "fillcolor": INACTIVE_FILL}
            styles += ["filled"]
        else:
            attrs = {"color": LINE[""], "fontcolor": TEXT} | attrs
            if "fillcolor" in attrs and "filled" not in styles:
                styles += ["filled"]
        if not node["active"] or status in DASHED or node["skip"]:
            styles += ["dashed"]
        attrs["style"] = ",".join(dict.fromkeys(styles))
        attrs["class"] = " ".join(filter(None, [status or "waiting", "" if node["active"] else "inactive"]))
        attrs.setdefault("tooltip", literal(" - ".join([name, *_facts(node)])))
        label = attrs.pop("label", None)
        if node.get("background"):  # it stands beside the others, and looks like it
            attrs |= {"shape": "component", "style": attrs["style"].replace("rounded,", "").replace("rounded", "")}
        if node.get("fan"):
            attrs["peripheries"] = "2"
        if attrs.get("shape") in PLAIN_SHAPES or (label is not None and label.startswith("<")):
            marks = _facts(node) + [f"break at {w}" for w in ("entry", "exit") if node[w]]
            attrs["xlabel"] = literal(", ".join(marks))
            attrs["label"] = literal(name) if label is None else label
        else:
            attrs["label"] = _label(shown_name(name) if label is None else label_as_html(label, name), node)
        self.dot.node(self.ids[name], **attrs | self.position(name))

    # --- arrows

    def arrow(self, arrow: dict[str, Any], named: bool) -> None:
        if "kind" in arrow:
            source, target = self.ids[arrow["source"]], self.ids[arrow["target"]]
            ends = [name for name in (arrow["source"], arrow["target"]) if name not in self.junctions]
            told = literal(" -> ".join(ends))
            attrs = {"tooltip": told, "class": arrow["kind"]} | DEPENDENCY[arrow["kind"]]
            self.dot.edge(source, target, **attrs | ({"arrowhead": "none"} if target in self.junctions else {}))
            return
        attrs = attributes(arrow["attrs"])
        count = arrow["count"]
        failure = arrow["key"] == PREFIX + "failure_path"
        label = attrs.pop("label", None)
        if label is None:
            label = ""
            if named and not arrow["end"]:
                label = literal(arrow["key"].removeprefix(PREFIX))
        if count > 1:
            label = f"{label} {count}×".strip() if not label.startswith("<") else label
            if label.startswith("<"):
                attrs["xlabel"] = f"{count}×"
        if label:
            attrs["label"] = label
        kind = "taken" if count else "untaken" if arrow["active"] else "inactive"
        if count:
            attrs |= {"style": "solid", "color": LINE["failed"] if failure else TEXT, "fontcolor": TEXT}
            attrs["penwidth"] = "2.2" if count > 1 else "1.6"
        elif arrow["active"]:
            attrs = {"style": "dashed", "color": "#9a9a9a", "fontcolor": FAINT, "penwidth": "1"} | attrs
            attrs["style"] = "dashed"
        else:
            attrs |= {"style": "dotted", "color": "#b5b5b5", "fontcolor": "#8c8c8c", "arrowhead": "odot"}
        attrs["class"] = " ".join(
            filter(None, [kind, "failure" if failure else "", "dynamic" if arrow["dynamic"] else ""])
        )
        attrs.setdefault("tooltip", literal(f"{arrow['key']} ({count}×)"))
        target = END if arrow["end"] else self.ids[arrow["target"]]
        self.dot.edge(self.ids[arrow["source"]], target, **attrs | self.sides(arrow))

    def sides(self, arrow: dict[str, Any]) -> dict[str, str]:
        """The sides that an arrow back uses in a large graph, so that it does not lie on the arrow there."""
        source, target = self.places.get(arrow["source"]), self.places.get(arrow["target"])
        if source is None or target is None or (arrow["target"], arrow["source"]) not in self.ways:
            return {}
        if self.number[arrow["source"]] <= self.number[arrow["target"]]:
            return {}
        right, up = target[0] - source[0], target[1] - source[1]
        if abs(right) > abs(up):
            return {"tailport": "se", "headport": "sw"} if right > 0 else {"tailport": "sw", "headport": "se"}
        return {"tailport": "nw", "headport": "sw"} if up > 0 else {"tailport": "sw", "headport": "nw"}


def _label(shown: str, node: dict[str, Any]) -> str:
    """The name, below it what happened; a breakpoint at entry above them, one at exit below."""

    def stop(where: str) -> str:
        return (
            f'<TR><TD BGCOLOR="{BREAK}" CELLPADDING="1"><FONT POINT-SIZE="8" COLOR="#ffffff">'
            f"&#9632; break at {where}</FONT></TD></TR>"
        )

    rows = [stop("entry")] if node["entry"] else []
    rows.append(f"<TR><TD>{shown}</TD></TR>")
    if node.get("traits"):
        rows.append(f'<TR><TD><FONT POINT-SIZE="8" COLOR="#444444"><I>{as_html(node["traits"])}</I></FONT></TD></TR>')
    rows += [f'<TR><TD><FONT POINT-SIZE="9">{as_html(line)}</FONT></TD></TR>' for line in _small_lines(node)]
    if node["exit"]:
        rows.append(stop("exit"))
    return '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="0">' + "".join(rows) + "</TABLE>>"


def _size(node: dict[str, Any]) -> layout.Size:
    """About how wide and high a node will be, in points."""
    label = str(node["attrs"].get("label", "")) or shown_name(node["name"])
    lines = re.split(r"<BR/>|\\[nlr]|\n", label)
    small = _small_lines(node) + ([node["traits"]] if node.get("traits") else [])
    width = max(
        [len(line) * 6.6 for line in lines]
        + [len(line) * 4.9 for line in small]
        + [72.0 * (node["entry"] or node["exit"])]
    )
    height = len(lines) * 14 + 12 * len(small) + 13 * (node["entry"] + node["exit"]) + 14
    return max(width + 20, 54.0), max(height, 30.0)


def _small_lines(node: dict[str, Any]) -> list[str]:
    """What stands below the name."""
    if "lines" in node:
        return list(node["lines"])
    facts = ", ".join(_facts(node))
    return [facts] if facts else []


def _facts(node: dict[str, Any]) -> list[str]:
    if "told" in node:
        return list(node["told"])
    facts = [node["status"]] if node["status"] else []
    if node["visits"] > 1:
        facts.append(f"{node['visits']}×")
    if node["seconds"] is not None:
        facts.append(duration(node["seconds"]))
    if not node["active"]:
        facts.append("inactive")
    elif node["skip"] and node["status"] != "skipped":
        facts.append("skips execute")
    return facts
