"""Which steps of a recipe wait for which: a mapping in ctx, what is wrong with it, and files of it."""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octo.errors import ShapeError, UsageError
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.file_io import write_whole
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx

if TYPE_CHECKING:
    from step_library.kit.recipes.dependencies import Dependencies

FILES = (".json", ".md", ".html", ".dot", ".svg", ".png")
log = logging.getLogger("octo.steps")


@scriptlet(
    params=[
        Param("recipe", "path", help="the recipe's file"),
        Param("out", "str", help="key of ctx for the mapping"),
        Param("mode", "str", "direct", "direct: what each step waits for; all: also what those wait for; reverse: the "
              "steps that wait for it; order: the steps in a list, each behind what it waits for",
              choices=("direct", "all", "reverse", "order")),
        Param("fields", "list[str]", ["depends_on", "after"], "the fields with a step's dependencies; they are united"),
        Param("strict", "bool", False, "whether a name that is no step or stands twice, or a cycle, is an error"),
        Param("findings", "str | null", None, "key of ctx for the list of what is wrong"),
        Param("errors", "bool", False, "also add what is wrong to ctx['errors']"),
        Param("file", "path | null", None, "also write it to a file: .json, a table .md or .html, a picture .dot, .svg "
              "or .png"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put `{step: [steps that it waits for]}` into `ctx[out]`, in the order of the file.

    Of a recipe with mistakes too, as long as its steps are a list with names; what is wrong with the dependencies is
    logged as a warning. Raises FileNotFoundError, MissingKey (a KeyError) for a step without name, ShapeError (a
    ValueError) for what is no recipe, and with `strict` for wrong dependencies; UsageError where there is no order.
    """
    from step_library.kit.recipes.dependencies import read_dependencies

    ending = Path(params["file"]).suffix.lower() if params["file"] is not None else ""
    if params["file"] is not None and ending not in FILES:
        raise UsageError(f"file: {params['file']}: its name is to end with {', '.join(FILES)}")
    if params["out"] == params["findings"]:
        raise UsageError(f"out and findings are both {params['out']!r}")
    if params["errors"]:
        records.check_list(ctx, "errors")
    found = read_dependencies(params["recipe"], params["fields"])
    problem = ShapeError("\n".join(f"{params['recipe']}: {each}" for each in found.findings))
    if found.findings and params["errors"]:
        records.error(ctx, "ctx_step_dependency", problem)
    if found.findings and params["strict"]:
        raise problem
    result = getattr(found, params["mode"])() if params["mode"] != "direct" else found.direct
    if params["file"] is not None:
        _write(Path(params["file"]), ending, found, result)
    for each in found.findings:
        log.warning("%s: %s", params["recipe"], each)
    ctx[params["out"]] = result
    if params["findings"] is not None:
        ctx[params["findings"]] = found.findings
    return {"dependencies": params["out"]}


def _write(path: Path, ending: str, found: Dependencies, result: Any) -> None:
    """The file; a picture is of the direct dependencies, whatever the mode."""
    if ending in (".dot", ".svg", ".png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        found.graph().visualize(path)
        return
    if ending == ".json":
        text = json.dumps(result, ensure_ascii=False, indent=1)
    else:
        rows = result if isinstance(result, Mapping) else {step: found.direct[step] for step in result}
        text = _markdown(rows) if ending == ".md" else _html(rows)
    write_whole(path, [(text + "\n").encode()])


def _markdown(rows: Mapping[str, Sequence[str]]) -> str:
    def cell(text: str) -> str:
        return text.replace("|", "\\|")

    lines = [f"| {cell(step)} | {cell(', '.join(names))} |" for step, names in rows.items()]
    return "\n".join(["| step | steps |", "| --- | --- |", *lines])


def _html(rows: Mapping[str, Sequence[str]]) -> str:
    lines = [f"<tr><td>{html.escape(step)}</td><td>{html.escape(', '.join(names))}</td></tr>"
             for step, names in rows.items()]
    head = "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>steps</title>\n"
    return "\n".join([head + "<table>", "<tr><th>step</th><th>steps</th></tr>", *lines, "</table>"])


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_step_dependency")
