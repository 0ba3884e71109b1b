"""`octo report`: timings, memory, resources and audit of an instance as tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from octo.cli.command import command, json_option
from octo.cli.instance import directory_argument, octo_command, open_instance
from octo.cli.printing import print_json, table, write_file
from octo.errors import UsageError

if TYPE_CHECKING:
    from octo.report.pages import Report

WRITERS = {".html": "as_html", ".htm": "as_html", ".md": "as_markdown"}


@command(
    "report",
    "octo report my_check",
    "octo report my_check -o report.html",
    "octo report recipe.octo --json",
)
@directory_argument
@click.option("-o", "--output", metavar="FILE", help="Write it as .html (one page, nothing else needed) or .md.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=50, show_default=True,
    help="The newest N entries of audit, trace and errors; 0: all.",
)
@json_option
def report_command(directory: str, output: str | None, limit: int, as_json: bool) -> None:
    """Show timings, memory, resources and audit of an instance.

    What ran when and how long, and what steps have kept in ctx: step_times, profile, resources, audit, trace, errors
    (ctx_step_timer, ctx_profiler, ctx_resource_monitor, ctx_step_audit and the like write these).
    """
    from octo.report.instance import read_instance
    from octo.report.tables import report_of

    kind = Path(output).suffix.lower() if output else ""
    if output and kind not in WRITERS:
        raise UsageError(
            f"{output}: a report cannot be written as {kind or 'a file without extension'}; known: .html, .md",
            hints=[octo_command("report", directory, "-o", "report.html")],
        )
    found = read_instance(open_instance(directory), directory)
    if output:
        from octo.report import pages

        write_file(Path(output), getattr(pages, WRITERS[kind])(report_of(found, limit)))
        if as_json:
            print_json({"report": output})
        else:
            click.echo(output)
    elif as_json:
        print_json(_newest(found, limit))
    else:
        click.echo(_text(report_of(found, limit)))


def _newest(found: dict[str, Any], limit: int) -> dict[str, Any]:
    lists = {name: found[name][-limit:] for name in ("audit", "trace", "errors")} if limit else {}
    return {**found, **lists}


def _text(report: Report) -> str:
    """The report in the terminal."""
    blocks = [f"{report.verdict}\n{report.summary}"]
    for section in report.sections:
        shown = section.table
        rows = table(shown.head, shown.rows, right=shown.numbers) if shown else ""
        blocks.append("\n".join([section.title, *section.paragraphs, rows]))
    return "\n\n".join(blocks)
