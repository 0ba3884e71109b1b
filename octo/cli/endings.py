"""How a run ended, for people and for programs: the sentence, the table, the files."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from octo.cli.instance import DONE, FAILED
from octo.cli.printing import counted, duration, moment, table
from octo.cli.status import error_text
from octo.cli.steps import explain_waiting, read_steps, steps_table

if TYPE_CHECKING:
    from octo.engine import RunResult
    from octo.store import ParameterStore

FEW_NODES = 40


def as_dict(result: RunResult, directory: str, commands: list[str], store: ParameterStore) -> dict[str, Any]:
    """What `--json` prints."""
    names = (
        "status",
        "ended_by",
        "exit_code",
        "node",
        "state",
        "steps",
        "seconds",
        "run_id",
        "resumed",
        "reasons",
        "error",
        "timings",
    )
    found: dict[str, Any] = {name: getattr(result, name) for name in names}
    entries = read_steps(store)
    if entries:
        found["recipe_steps"] = entries
    return {"directory": directory, **found, "log": log_path(result, directory), "next": commands}


def log_path(result: RunResult, directory: str) -> str:
    return os.path.join(directory, "Logs", f"{result.run_id}.log")


def print_summary(result: RunResult, directory: str, store: ParameterStore) -> None:
    """What was done and where it is written."""
    entries = read_steps(store)
    explain_waiting(entries, directory, state=result.status)
    lines = steps_table(entries, now=time.time(), runs=False) or _node_lines(result)
    click.echo("\n".join(["", *lines] if lines else []))
    if lines:
        click.echo("")
    log, picture = log_path(result, directory), os.path.join(directory, "Assets", "graph.png")
    if os.path.exists(log):
        click.echo(f"log      {log}")
    if os.path.exists(picture):
        click.echo(f"picture  {picture}")


def _node_lines(result: RunResult) -> list[str]:
    timings = sorted(result.timings.items(), key=lambda item: -item[1]["seconds"])
    rows = [(node, str(seen["count"]), duration(seen["seconds"])) for node, seen in timings[:FEW_NODES]]
    if not rows:
        return []
    lines = [table(("node", "steps", "time"), rows, right=(1, 2))]
    if len(timings) > FEW_NODES:
        lines.append(f"and {len(timings) - FEW_NODES} more nodes")
    return lines


def end_message(result: RunResult, directory: str, store: ParameterStore) -> str:
    """How the run ended, in a sentence."""
    entries = read_steps(store)
    made = f"{counted(result.steps, 'step')} in {duration(result.seconds)}"
    if result.nothing_to_do:
        if entries:
            return f"{directory} finished at {_ended_at(store) or 'an earlier time'}; nothing was run"
        since = _ended_at(store)
        return f"{directory} is complete{f' since {since}' if since else ''}; there is nothing to run"
    if result.status == DONE:
        return f"done: {made}{_beside(entries)}"
    if result.status == FAILED and result.error is not None:
        return _failure(result.error, entries)
    if result.exit_code == 0:  # `octo step` made its steps
        return f"{made} made; paused" + (f" at {result.node}" if result.node else "")
    reasons = [reason.removesuffix(f" of {result.node}") for reason in result.reasons]
    why = " and ".join(reasons or [result.ended_by]).replace("SIGINT", "Ctrl-C")
    return f"paused{f' at {result.node}' if result.node else ''}: {why} ({made})"


def _failure(error: dict[str, Any], entries: dict[str, dict[str, Any]]) -> str:
    undone = ", ".join(str(path).removeprefix("ctx/") for path in error.get("ctx_undone") or [])
    message = "failed: " + error_text(error, in_state=not entries)
    if undone:
        message += f"\nwhat it had changed in ctx was undone: {undone}"
    node = str(error.get("node", "")).partition("[")[0]
    others = [name for name, entry in entries.items() if entry.get("status") == "FAILED" and name != node]
    if others:
        message += f"\nalso failed: {', '.join(others)}"
    return message


def _beside(entries: dict[str, dict[str, Any]]) -> str:
    """What else became of the steps: ` (1 skipped, 2 left out)`."""
    words = {"CACHED": "cached", "SKIPPED": "skipped", "LEFT_OUT": "left out", "STOPPED": "in the background",
             "FAILED": "failed, which is allowed"}
    counts = Counter(str(entry.get("status")) for entry in entries.values())
    told = [f"{counts[status]:,} {word}" for status, word in words.items() if counts[status]]
    return f" ({', '.join(told)})" if told else ""


def _ended_at(store: ParameterStore) -> str:
    """`12:30:01`, from the journal; empty where it does not say."""
    changes = store.history(("global_parameters", "step_engine_state"), limit=1)
    return moment(changes[-1].time) if changes else ""
