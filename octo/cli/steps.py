"""The steps of a recipe's instance as people see them: how far each is, what it took, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octo.cli.printing import counted, duration, table
from octo.report.steps import steps_shown
from octo.store import RECIPE_FILE

if TYPE_CHECKING:
    from octo.store import ParameterStore

FEW_STEPS = 40
_SAY_NOTHING = ("new run", "not run yet", "runs as long as the run")
_TELLING = {"FAILED": 0, "RUNNING": 1, "STOPPED": 3, "WAITING": 4, "LEFT_OUT": 5}
"""What is shown first where not all are; the rest by the time that it took."""


def read_steps(store: ParameterStore) -> dict[str, dict[str, Any]]:
    """What stands in the instance of each step, without results; of items their number by status."""
    found: dict[str, dict[str, Any]] = store._state_file.look(("steps",), steps_shown)
    return found


def read_jobs(store: ParameterStore) -> dict[str, Any]:
    """The jobs in ctx["jobs"], without results."""
    found: dict[str, Any] = store._state_file.look(("ctx", "jobs"), _jobs)
    return found


def _jobs(jobs: Any) -> dict[str, Any]:
    if not isinstance(jobs, Mapping):
        return {}
    return {
        str(name): {key: job[key] for key in ("status", "start", "end", "next_run", "error") if key in job}
        for name, job in jobs.items()
        if isinstance(job, Mapping)
    }


# -- why a step waits --------------------------------------------------------------------------------


def explain_waiting(steps: dict[str, dict[str, Any]], directory: str, *, state: str) -> None:
    """Put into `waits` of each step that waits what it waits for."""
    waiting = [name for name, entry in steps.items() if entry.get("status") == "WAITING"]
    if not waiting:
        return
    needs = _needs(directory)
    for name in waiting:
        entry = steps[name]
        open_needs = [need for need in needs.get(name, ()) if not _is_met(steps.get(need, {}))]
        if entry.get("error"):
            entry["waits"] = "is tried again: " + _error(entry)
        elif open_needs:
            shown = ", ".join(f"{need} ({steps.get(need, {}).get('status', 'WAITING')})" for need in open_needs[:3])
            entry["waits"] = f"waits for {shown}" + (f" and {len(open_needs) - 3} more" if len(open_needs) > 3 else "")
        elif state == "RUNNING":
            entry["waits"] = "waits for its turn"
        elif state == "COMPLETE_ERROR":
            entry["waits"] = "not begun when another failed"
        else:
            entry["waits"] = "not begun yet"


def _is_met(entry: Mapping[str, Any]) -> bool:
    return entry.get("status") in ("DONE", "CACHED", "SKIPPED", "LEFT_OUT", "STOPPED", None)


def _needs(directory: str) -> Mapping[str, list[str]]:
    """What each step depends on, by the copy of the recipe that the last run kept."""
    copy = Path(directory) / RECIPE_FILE
    try:
        return _read_needs(copy, copy.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=1)
def _read_needs(copy: Path, changed: int) -> Mapping[str, list[str]]:
    from octo.errors import OctoError
    from octo.recipe.reader import read, read_source

    try:
        steps = read(read_source(copy)).get("steps") or []
    except (OctoError, AttributeError):  # somebody changed it
        return {}
    needs = {}
    for step in steps:
        if isinstance(step, dict) and isinstance(step.get("name"), str):
            found: list[str] = []
            for key in ("depends_on", "after"):
                given = step.get(key) or []
                found += [given] if isinstance(given, str) else [each for each in given if isinstance(each, str)]
            needs[step["name"]] = list(dict.fromkeys(found))
    return needs


# -- the table ---------------------------------------------------------------------------------------


def steps_table(steps: Mapping[str, Mapping[str, Any]], *, now: float, runs: bool, hint: str = "") -> list[str]:
    """One line a step, or a fan-out; where there are many, those that tell most. `runs`: an engine is at work."""
    names = list(steps)
    if len(names) > FEW_STEPS:
        ranked = sorted(names, key=lambda name: _rank(steps[name]))
        kept = set(ranked[:FEW_STEPS])
        names = [name for name in names if name in kept]
    if not names:
        return []
    rows = [_row(name, steps[name], now, runs) for name in names]
    header = ("step", "status", "tries", "time", "CPU", "memory", "")
    lines = table(header, rows, right=(2, 3, 4, 5)).split("\n")
    rest = [entry for name, entry in steps.items() if name not in set(names)]
    if rest:
        lines.append(f"and {len(rest):,} more: {counts_text(rest, runs)}{hint}")
    if any(row[5].endswith("*") for row in rows):
        lines.append("* memory of the process, which it shared with others that ran at the same time")
    return lines


def _rank(entry: Mapping[str, Any]) -> tuple[int, float]:
    return _TELLING.get(str(entry.get("status")), 2), -float(entry.get("seconds") or 0.0)


def _row(name: str, entry: Mapping[str, Any], now: float, runs: bool) -> tuple[str, ...]:
    status = _status(entry, runs)
    usage = entry.get("usage") or {}
    seconds = entry.get("seconds")
    if status == "RUNNING" and entry.get("start"):
        seconds = max(0.0, now - entry["start"])
    if status in ("WAITING", "LEFT_OUT", "SKIPPED"):
        seconds = None
    rss = usage.get("rss") or 0
    return (
        name,
        status,
        str(entry["attempt"]) if entry.get("attempt") else "",
        duration(seconds) if seconds is not None else "",
        duration(usage["cpu"]) if "cpu" in usage else "",
        f"{_size(rss)}{'*' if usage.get('shared') else ' '}" if rss else "",
        why(entry),
    )


def _status(entry: Mapping[str, Any], runs: bool) -> str:
    status = str(entry.get("status", "WAITING"))
    if status != "RUNNING" or runs:
        return status
    return "PAUSED" if entry.get("items") and not entry.get("running") else "cut off"  # a fan-out between its items


def why(entry: Mapping[str, Any]) -> str:
    """What is to be said of a step beside its status; empty where that says all."""
    status = entry.get("status")
    parts = []
    if entry.get("items"):
        total = sum(entry["items"].values())
        over = sum(entry["items"].get(each, 0) for each in ("DONE", "CACHED", "SKIPPED"))
        failed = entry["items"].get("FAILED", 0)
        parts.append(f"{over:,} of {counted(total, 'item')}" + (f", {failed:,} failed" if failed else ""))
    if status == "FAILED":
        if not entry.get("items"):
            parts.append(_error(entry))
    elif status == "WAITING":
        parts.append(str(entry.get("waits") or ""))
    elif status in ("SKIPPED", "LEFT_OUT", "CACHED", "STOPPED"):
        reason = str(entry.get("reason") or "")
        parts.append("" if reason in _SAY_NOTHING else reason)
    return _one_line("; ".join(part for part in parts if part))


def _error(entry: Mapping[str, Any]) -> str:
    error = entry.get("error") or {}
    return f"{error.get('type', 'error')}: {error.get('message', '')}"


def _one_line(text: str) -> str:
    text = text.strip().split("\n", 1)[0]
    return text if len(text) <= 100 else text[:97] + "..."


def counts_text(entries: Iterable[Mapping[str, Any]], runs: bool) -> str:
    """`5 DONE, 1 FAILED`. `runs`: an engine is at work."""
    counts = Counter(_status(entry, runs) for entry in entries)
    return ", ".join(f"{number:,} {status}" for status, number in counts.most_common())


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"


def running_names(steps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What runs now; items as `name[3]`."""
    found: list[str] = []
    for name, entry in steps.items():
        items = entry.get("running") or []
        if items:
            found += [f"{name}[{index}]" for index in items]
        elif entry.get("status") == "RUNNING":
            found.append(name)
    return found
