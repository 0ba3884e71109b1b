"""`octo show`: what a step does and takes."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from octo.cli.command import command, json_option
from octo.cli.instance import octo_command
from octo.cli.libraries import graphs
from octo.cli.printing import print_json, print_next
from octo.cli.ready_steps import (
    CodeModule,
    ReadyStep,
    ShellStep,
    code_module,
    described_program,
    described_step,
    ready_programs,
    ready_step,
)
from octo.errors import UsageError, nearest, quoted
from octo.shared_names import library_steps, shell_steps

if TYPE_CHECKING:
    from octo.engine.graph import NodeSpec, StepSpec


@command("show", "octo show step_node_measure", "octo show step_node_measure --library machine_check",
         "octo show ctx_stats")
@click.argument("step", metavar="STEP")
@click.option("-l", "--library", metavar="LIB", help="Look in this library or instance only.")
@json_option
def show_command(step: str, library: str | None, as_json: bool) -> None:
    """Show what a step does and takes: its methods, flags, arrows and parameters."""
    ready = ready_step(step) if library is None else None
    if ready is not None:
        _show_ready(ready, as_json=as_json)
        return
    module = code_module(step) if library is None and step in library_steps() else None
    if module is not None:
        _show_code(module, as_json=as_json)
        return
    program = next((each for each in ready_programs() if each.name == step.removesuffix(".sh")), None)
    if program is not None and library is None:
        _show_program(program, as_json=as_json)
        return
    listed = graphs(library)
    found = [
        (each.path, each.graph.nodes[step])
        for each in listed
        if each.graph is not None and step in each.graph.nodes
    ]
    if not found:
        known = [name for each in listed if each.graph is not None for name in each.graph.nodes]
        known += [*library_steps(), *shell_steps()] if library is None else []
        raise UsageError(
            f"there is no step '{step}'{nearest(step, known)}",
            hints=["octo list steps" if library is None else octo_command("list", "steps", library)],
        )
    if as_json:
        print_json([_described(path, node) for path, node in found])
        return
    path, node = found[0]
    _print_node(path, node)
    if len(found) > 1:
        print_next([octo_command("show", step, "--library", other) for other, _ in found[1:]])


def _show_ready(step: ReadyStep, *, as_json: bool) -> None:
    """A step for recipes: what it does, its parameters."""
    from octo.cli.exec import help_of

    facts = described_step(step)
    if as_json:
        print_json([facts])
        return
    click.echo(f"{step.name}  ({step.theme}, {facts['file']}:{facts['line']})\n\n  {step.does}\n")
    click.echo("\n".join(f"  {line}".rstrip() for line in step.doc.split("\n")))
    width = max((len(name) for name in facts["params"]), default=0)
    for group, params in groupby(step.params, lambda param: param.group):
        click.echo(f"\n{group or 'parameters'}")
        for param in params:
            click.echo(f"  {param.name.ljust(width)}  {facts['params'][param.name]['type']}: {help_of(param)}")
    for rule in step.rules:
        click.echo(f"\n  {rule}")
    print_next([octo_command("exec", step.name, "--help")])


def _show_code(module: CodeModule, *, as_json: bool) -> None:
    """What is no step, but for a step's own code."""
    parts = module.described()
    if as_json:
        print_json([{"step": module.name, "library": module.theme, "does": module.does, "code": module.use,
                     "parts": parts}])
        return
    click.echo(f"{module.name}  ({module.theme}, for a step's own code; it is no step)\n\n  {module.does}\n\n"
               f"  {module.use}")
    for head, doc in parts.items():
        click.echo(f"\n{head}\n" + "\n".join(f"  {line}".rstrip() for line in doc.split("\n")))


def _show_program(step: ShellStep, *, as_json: bool) -> None:
    """A program for shell steps: what it says of itself, and how a recipe names it."""
    if as_json:
        print_json([described_program(step)])
        return
    click.echo(f"{step.name}  ({step.theme}, {step.file})\n")
    click.echo("\n".join(f"  {line}".rstrip() for line in step.doc.split("\n")))
    click.echo(f"\nin a recipe\n  - name: {step.name}\n    cmd: {step.cmd}\n    args: [-h]")
    print_next([f"bash {quoted(step.file)} -h"])


def _described(path: str, node: NodeSpec) -> dict[str, Any]:
    return {
        "step": node.name,
        "library": path,
        "file": str(node.path),
        "line": node.line,
        "class": node.cls.__name__ if node.cls is not object else "",
        "doc": _doc(node),
        "methods": {name: inspect.cleandoc(doc) for name, doc in _methods(node)},
        "flags": _flags(node),
        "arrows": {
            arrow.key: {"target": arrow.target, "active": arrow.active} for arrow in node.arrows.values()
        },
        "params": node.params_init,
        "results": node.results_init,
    }


def _methods(node: NodeSpec) -> list[tuple[str, str]]:
    """The methods that the class brings itself, with their docs."""
    from octo.engine.node import overrides

    names = ("step_entry", "step_execute", "step_exit", "step_advance")
    return [(name, getattr(node.cls, name).__doc__ or "") for name in names if overrides(node.cls, name)]


def _flags(node: NodeSpec) -> dict[str, Any]:
    """What differs from an ordinary step."""
    from octo.engine.graph import StepSpec

    if isinstance(node, StepSpec):
        return _step_flags(node)
    flags: dict[str, Any] = {
        "first": node.first,
        "inactive": not node.active,
        "skip execute": node.skip_execute,
        "entry breakpoint": node.entry_breakpoint,
        "exit breakpoint": node.exit_breakpoint,
        "resume at entry": node.resume_at_entry,
        "retry": node.retry,
        "timeout": node.timeout,
    }
    return {name: value for name, value in flags.items() if value}


def _step_flags(step: StepSpec) -> dict[str, Any]:
    flags: dict[str, Any] = {
        "depends on": list(step.needs),
        "parallel": step.parallel,
        "background": step.background,
        "for each": step.fans_out,
        "in a process": step.lane == "process",
        "may fail": step.allow_failure,
        "entry breakpoint": step.entry_breakpoint,
        "exit breakpoint": step.exit_breakpoint,
        "retry": step.retry,
        "on conflict": step.on_conflict,
    }
    return {name: value for name, value in flags.items() if value}


def _doc(node: NodeSpec) -> str:
    return inspect.cleandoc(node.cls.__doc__ or "") if node.cls is not object else ""


def _print_node(path: str, node: NodeSpec) -> None:
    import json

    what = f"class {node.cls.__name__}" if node.cls is not object else node.module
    click.echo(f"{node.name}  ({what}, {node.path}:{node.line})")
    doc = _doc(node)
    if doc:
        click.echo("\n" + "\n".join(f"  {line}".rstrip() for line in doc.split("\n")))
    sections: list[tuple[str, list[tuple[str, str]]]] = [
        ("methods", [(name, inspect.cleandoc(doc).split("\n", 1)[0]) for name, doc in _methods(node)]),
        (
            "flags",
            [
                (name, "yes" if value is True else json.dumps(value, default=str))
                for name, value in _flags(node).items()
            ],
        ),
        (
            "arrows",
            [
                (arrow.key, f"to {arrow.target}" + ("" if arrow.active else " (inactive)"))
                for arrow in node.arrows.values()
            ],
        ),
        ("parameters", _first_values(node.params_init, node.name)),
        ("results", _first_values(node.results_init, node.name)),
    ]
    for title, facts in sections:
        if facts:
            width = max(len(name) for name, _ in facts)
            click.echo(f"\n{title}")
            for name, text in facts:
                click.echo(f"  {name.ljust(width)}  {text}".rstrip())


def _first_values(groups: dict[str, Any], own: str) -> list[tuple[str, str]]:
    """`key  value` of the node's own group; keys of other groups with the group before them."""
    import json

    facts = []
    for group, values in groups.items():
        if not isinstance(values, dict):
            facts.append((group, json.dumps(values, default=str)))
            continue
        for key, value in values.items():
            facts.append(
                (
                    key if group == own else f"{group} {key}",
                    json.dumps(value, default=str, ensure_ascii=False),
                )
            )
    return facts
