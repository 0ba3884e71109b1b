"""`octo status`: where an instance is, once or (`--watch`) as it changes."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from octo.cli.command import command, json_option
from octo.cli.instance import (
    RUNNING_STATES,
    directory_argument,
    has_left_out,
    next_commands,
    octo_command,
    open_instance,
)
from octo.cli.printing import as_called, as_text, duration, moment, print_json, table
from octo.cli.steps import counts_text, explain_waiting, read_jobs, read_steps, running_names, steps_table

if TYPE_CHECKING:
    from octo.store import ParameterStore, RunOwner

WATCH_SECONDS = 0.2
_STOP_WATCHING = "(Ctrl-C stops watching; the run goes on)"


@dataclass
class Status:
    """What `octo status --json` prints. `seconds` are totals of a node's visits."""

    directory: str
    state: str
    node: str
    module: str
    step_state: str
    begun: bool
    interrupted: bool
    owner: dict[str, Any] | None
    run_id: str
    library: str
    seq: int
    run_step_count: int
    run_loop_count: int
    run_step_limit: int
    run_loop_limit: int
    visit: int
    pause_reason: str
    ended_by: str
    last_error: dict[str, Any] | None
    breakpoints: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    recipe: str = ""
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of a recipe: status, attempt, start, end, seconds, usage, reason, what it waits for, items by status."""
    jobs: dict[str, Any] = field(default_factory=dict)
    next: list[str] = field(default_factory=list)


def read_status(store: ParameterStore, directory: str) -> Status:
    """Read the parts of the state that a status shows (of ctx, which may be large, the jobs alone)."""
    owner, parameters = _owner_and_parameters(store)
    if owner is None and parameters.get("step_engine_state") in RUNNING_STATES:
        owner, parameters = _owner_and_parameters(store)  # a run may have begun or ended in between
    engine: dict[str, Any] = store.get("engine", default={})
    breakpoints: dict[str, Any] = store.get("breakpoints", default={})
    visits, seconds = engine.get("visits") or {}, engine.get("seconds") or {}
    state = str(parameters.get("step_engine_state") or "INACTIVE")
    steps = read_steps(store) if parameters.get("recipe_path") is not None else {}
    explain_waiting(steps, directory, state="interrupted" if owner is None and state in RUNNING_STATES else state)
    commands = next_commands(
        directory, parameters, running=owner is not None, seq=store.seq, left_out=has_left_out(steps)
    )
    return Status(
        directory=directory,
        state=state,
        node=str(parameters.get("current_step_node") or ""),
        module=str(parameters.get("current_step_module") or ""),
        step_state=str(parameters.get("current_step_state") or "INACTIVE"),
        begun=bool(engine.get("begun", False)),
        interrupted=state in RUNNING_STATES and owner is None,
        owner=_owner_dict(owner),
        run_id=str(parameters.get("run_id") or ""),
        library=str(parameters.get("step_engine_library_path") or ""),
        seq=store.seq,
        run_step_count=parameters.get("run_step_count", 1),
        run_loop_count=parameters.get("run_loop_count", 0),
        run_step_limit=parameters.get("run_step_limit", 0),
        run_loop_limit=parameters.get("run_loop_limit", 0),
        visit=engine.get("visit", 0),
        pause_reason=str(parameters.get("pause_reason") or ""),
        ended_by=str(parameters.get("ended_by") or ""),
        last_error=parameters.get("last_error") or None,
        breakpoints={node: flags for node, flags in breakpoints.items() if _is_set(flags)},
        nodes={node: {"visits": count, "seconds": seconds.get(node, 0.0)} for node, count in visits.items()},
        recipe="" if parameters.get("recipe_path") is None else str(parameters["recipe_path"] or "-"),
        steps=steps,
        jobs=read_jobs(store) if steps else {},
        next=[each for each in commands if each != octo_command("status", directory)],
    )


def _owner_and_parameters(store: ParameterStore) -> tuple[RunOwner | None, dict[str, Any]]:
    return store.running(), store.get("global_parameters", default={})


def _is_set(flags: Any) -> bool:
    return isinstance(flags, dict) and any(flags.values())


def _owner_dict(owner: RunOwner | None) -> dict[str, Any] | None:
    if owner is None:
        return None
    return {
        "pid": owner.pid,
        "host": owner.host,
        "start": owner.start,
        "run_id": owner.run_id,
        "text": str(owner),
    }


def headline(status: Status) -> str:
    """The state in a few words: `RUNNING at count (EXECUTE)`."""
    state = "interrupted" if status.interrupted else status.state
    if status.steps:
        running = running_names(status.steps) if status.owner is not None else []
        where = ", ".join(running[:4]) + (f" and {len(running) - 4} more" if len(running) > 4 else "") or status.node
        return f"{state} at {where}" if where and status.state not in ("INACTIVE", "COMPLETE_SUCCESS") else state
    if not status.node or status.state in ("INACTIVE", "COMPLETE_SUCCESS"):
        return state
    return f"{state} at {status.node} ({status.step_state}{_begun(status)})"


def _begun(status: Status) -> str:
    if status.owner is not None or status.state == "COMPLETE_ERROR":
        return ""
    return ", begun" if status.begun else ", not begun"


def status_lines(status: Status) -> list[str]:
    """The status for people, one `name  value` line a fact, without what to type next."""
    facts: list[tuple[str, str]] = [("state", headline(status))]
    if status.interrupted:
        facts.append(("", "its engine ended without a word; octo run goes on from here"))
    if status.owner is not None:
        facts.append(("run by", str(status.owner["text"])))
    if status.pause_reason and status.state == "PAUSED":
        facts.append(("paused", status.pause_reason.replace("SIGINT", "Ctrl-C")))
    if status.last_error:
        facts.append(("error", error_text(status.last_error, in_state=not status.steps)))
    if status.recipe:
        facts.append(("recipe", "standard input" if status.recipe == "-" else status.recipe))
    if status.steps:
        counts = counts_text(status.steps.values(), status.owner is not None)
        facts.append(("steps", f"{len(status.steps):,}: {counts}"))
    facts.append(("counters", _counters(status)))
    if status.library:
        facts.append(("library", status.library))
    if status.run_id and status.owner is None:
        facts.append(("run", status.run_id))
    for number, (node, flags) in enumerate(status.breakpoints.items()):
        where = " and ".join(place for place in ("entry", "exit") if flags.get(place))
        facts.append(("" if number else "breakpoints", f"{node} ({where})"))
    for number, (name, job) in enumerate(list(status.jobs.items())[:20]):
        facts.append(("" if number else "jobs", _job_text(name, job)))
    width = max(len(name) for name, _ in facts)
    lines = [f"{name.ljust(width)}  {text}" for name, text in facts]
    if status.nodes:
        rows = [(node, str(seen["visits"]), duration(seen["seconds"])) for node, seen in status.nodes.items()]
        lines += ["", table(("node", "visits", "time"), rows, right=(1, 2))]
    if status.steps:
        lines += ["", *steps_table(status.steps, now=time.time(), runs=status.owner is not None,
                                   hint="; --json shows all")]
    return lines


def _job_text(name: str, job: dict[str, Any]) -> str:
    start, end = job.get("start"), job.get("end")
    took = f" after {duration(end - start)}" if start and end else f", since {moment(start)}" if start else ""
    if job.get("next_run"):
        took = f", next at {moment(job['next_run'])}"
    return f"{name}: {job.get('status', '?')}{took}" + (f" ({job['error']})" if job.get("error") else "")


def error_text(error: dict[str, Any], *, in_state: bool = True) -> str:
    """`ValueError in load (EXECUTE): no such file`; the state says nothing where a step has only one."""
    state = f" ({error.get('state', '?')})" if in_state else ""
    return f"{error.get('type', 'error')} in {error.get('node', '?')}{state}: {as_text(str(error.get('message', '')))}"


def _counters(status: Status) -> str:
    text = f"run_step_count {status.run_step_count}, run_loop_count {status.run_loop_count}"
    if status.run_step_limit:
        text += f", at most {status.run_step_limit} steps a run"
    if status.run_loop_limit:
        text += f", at most {status.run_loop_limit} loops a run"
    return text


def _full_text(status: Status) -> str:
    return "\n".join([*status_lines(status), "", "next:", *(f"  {as_called(each)}" for each in status.next)])


@command("status", "octo status my_check", "octo status my_check --watch", "octo status my_check --json")
@directory_argument
@click.option(
    "--watch", is_flag=True, help="Follow the run until it ends (Ctrl-C stops watching, not the run)."
)
@json_option
def status_command(directory: str, watch: bool, as_json: bool) -> None:
    """Show where an instance is and what to type next.

    State, node, counters, breakpoints, the last error, and each node's visits and time. Of a recipe: each step's
    status, time and usage, why it waits or was not run, and the jobs that steps have started.
    """
    store = open_instance(directory)
    status = read_status(store, directory)
    if watch and status.owner is not None:
        status = _watch(store, directory, status, as_json)
        if as_json or sys.stdout.isatty():
            return
    if as_json:
        print_json(asdict(status))
    else:
        click.echo(_full_text(status))


def _watch(store: ParameterStore, directory: str, status: Status, as_json: bool) -> Status:
    """Show every change until the run has ended; return the last status."""
    if as_json:
        return _watch_lines(store, directory, status, _print_json_line)
    if not sys.stdout.isatty():
        return _watch_lines(store, directory, status, _print_change)
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="crop") as live:
        while status.owner is not None:
            live.update(Text("\n".join([*status_lines(status), "", _STOP_WATCHING])), refresh=True)
            time.sleep(WATCH_SECONDS)
            status = read_status(store, directory)
        live.update(Text(_full_text(status)), refresh=True)
    return status


def _watch_lines(store: ParameterStore, directory: str, status: Status, show: Any) -> Status:
    shown: Any = None
    while True:
        if _what_changes(status) != shown:
            shown = _what_changes(status)
            show(status)
        if status.owner is None:
            return status
        time.sleep(WATCH_SECONDS)
        status = read_status(store, directory)


def _what_changes(status: Status) -> tuple[Any, ...]:
    waiting = {name: entry.get("status") for name, entry in status.steps.items()}
    return status.owner is None, headline(status), status.run_step_count, status.visit, status.pause_reason, waiting


def _print_change(status: Status) -> None:
    how_far = f"count {status.run_step_count}"
    if status.steps:
        how_far = counts_text(status.steps.values(), status.owner is not None)
    click.echo(f"{moment(time.time())}  {headline(status)}  {how_far}")
    sys.stdout.flush()


def _print_json_line(status: Status) -> None:
    import json

    click.echo(json.dumps(asdict(status)))
    sys.stdout.flush()
