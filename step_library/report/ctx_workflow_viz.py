"""Draws the steps of a recipe and what they depend on, as PNG, SVG, DOT or an HTML page."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octo.context import Context
from octo.errors import UsageError, nearest
from octo.param import ParamError
from octo.report.entries import is_number
from octo.scriptlet import Param, scriptlet
from octo.store import ParameterStore, current_instance
from step_library.kit.files.file_io import allowed, write_whole
from step_library.kit.values.ctx_values import Ctx, described, plain_list

if TYPE_CHECKING:
    from octo.engine.graph import Graph
    from octo.engine.marks import Marks

FORMATS = (".png", ".svg", ".dot", ".html", ".htm")
STATUSES = {"done": "DONE", "success": "DONE", "ok": "DONE", "failed": "FAILED", "fail": "FAILED", "error": "FAILED",
            "running": "RUNNING", "waiting": "WAITING", "pending": "WAITING", "skipped": "SKIPPED",
            "left_out": "LEFT_OUT", "cached": "CACHED", "stopped": "STOPPED"}


@scriptlet(
    params=[
        Param("recipe", "path | null", None, "the recipe's file; without it the recipe that runs, with how far each "
              "step is"),
        Param("out", "path", help="the picture: .png, .svg, .dot, or .html, a page with tooltips at the steps"),
        Param("step_status", "dict", {}, "steps to colour, by name: success, error, running, pending, skipped, cached"),
        Param("audit", "bool", False, "colour the steps by their newest record in ctx['audit'], with its time"),
        Param("timeout", "float", 120.0, "most seconds that drawing may take"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Draw the steps of a recipe with an arrow from each to those that depend on it; the same as `octo graph RECIPE`.

    Where no step says what it depends on, the arrows show the order. Raises RecipeError with all mistakes of the
    recipe, UsageError where there is none. Returns `{"graph": out}`.
    """
    from octo.engine.marks import Marks
    from octo.engine.picture import draw
    from octo.report.picture import graph_of_recipe

    out = allowed(params["out"], None)
    kind = out.suffix.lower()
    if kind not in FORMATS:
        raise ParamError(f"out: {out} is to end in {', '.join(FORMATS[:4])}, so that its name tells the format")
    if params["timeout"] <= 0:
        raise ParamError(f"timeout is to be above 0 seconds, not {params['timeout']:g}")
    if params["recipe"] is None:
        graph, marks = _of_this_run()
    else:
        graph, marks = graph_of_recipe(Path(params["recipe"])), Marks()
    if params["audit"]:
        _mark_audit(graph, marks, plain_list(ctx, "audit") if "audit" in ctx else [])
    _mark(graph, marks, params["step_status"])
    stop = ctx.stop if isinstance(ctx, Context) else None
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / f"graph{'.svg' if kind.startswith('.htm') else kind}"
        draw(graph, marks, drawn, timeout=params["timeout"], stop=stop)
        data = drawn.read_bytes()
    write_whole(out, [_page(data, graph) if kind.startswith(".htm") else data])
    return {"graph": params["out"]}


def _of_this_run() -> tuple[Graph, Marks]:
    from octo.recipe.instance import is_recipe_instance
    from octo.report.picture import graph_of_run, marks_of_run

    instance = current_instance()
    if instance is None or not is_recipe_instance(instance):
        raise UsageError("recipe: which one? Only a step in the run of a recipe can draw it without being told")
    graph = graph_of_run(instance)
    return graph, marks_of_run(graph, ParameterStore(instance))


def _mark(graph: Graph, marks: Marks, given: Mapping[str, Any]) -> None:
    from octo.engine.step_marks import StepMark

    for name, status in given.items():
        if name not in graph.nodes:
            raise UsageError(f"step_status: the recipe has no step {name!r}{nearest(str(name), graph.nodes)}")
        known = STATUSES.get(status.lower()) if isinstance(status, str) else None
        if known is None:
            raise ParamError(f"step_status/{name} is to be one of {', '.join(STATUSES)}, not {described(status)}")
        marks.steps[name] = StepMark(known)


def _mark_audit(graph: Graph, marks: Marks, entries: list[Any]) -> None:
    """By the newest record of each step; what else stands in the list is not looked at."""
    from octo.engine.step_marks import StepMark

    for entry in entries:
        name = str(entry.get("step")) if isinstance(entry, Mapping) else ""
        status = STATUSES.get(str(entry.get("status")).lower()) if name in graph.nodes else None
        if status is not None:
            marks.steps[name] = StepMark(status, entry["duration"] if is_number(entry.get("duration")) else None)


def _page(svg: bytes, graph: Graph) -> bytes:
    from octo.report.pages import Report, as_html

    text = svg.decode()
    return as_html(Report(graph.source.name, chart=text[text.index("<svg"):])).encode()


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_workflow_viz")
