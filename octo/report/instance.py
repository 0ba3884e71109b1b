"""What an instance tells of its last run: what ran when and how long, and what steps have kept of themselves in ctx."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octo.report.entries import is_number, sums
from octo.report.steps import steps_shown
from octo.store import GLOBAL, Change, ParameterStore

RUNNING = ("STARTUP", "RUNNING")
KEPT = {"step_times": "timings", "profile": "memory", "resources": "resources", "audit": "audit", "trace": "trace",
        "errors": "errors"}
"""Lists of ctx, and what the report calls them."""


def read_instance(store: ParameterStore, directory: str) -> dict[str, Any]:
    """All that the report says, as plain data; `octo.report.tables` makes tables of it."""
    state = store.read(without=("ctx",))
    settings = _group(state, GLOBAL)
    steps = steps_shown(state.get("steps")) if settings.get("recipe_path") is not None else {}
    nodes = {} if steps else _nodes(_group(state, "engine"), store.history(("engine",)))
    found: dict[str, Any] = {
        "directory": directory,
        "state": state_now(store, state),
        "run_id": str(settings.get("run_id") or ""),
        "recipe": str(settings.get("recipe_path") or ""),
        "library": str(settings.get("step_engine_library_path") or ""),
        "steps": steps,
        "nodes": nodes,
    }
    found |= {name: _entries(store.get("ctx", key, default=[])) for key, name in KEPT.items()}
    found["memory"] = [{**row, "kept_in": key} for key, name in (("profile", "memory"), ("trace", "trace"))
                       for row in _measured(found[name])]
    found["trace"] = [entry for entry in found["trace"] if not is_number(entry.get("duration"))]
    found["timings"] = sums(found["timings"])
    found["resources"] = _measured(found["resources"])
    return found


def state_now(store: ParameterStore, state: Any) -> str:
    """The state that stands in the instance (what `store` has read), unless its engine is gone: `interrupted`."""
    named = str(_group(state, GLOBAL).get("step_engine_state") or "INACTIVE")
    return "interrupted" if named in RUNNING and store.running() is None else named


def _group(state: Any, name: str) -> dict[str, Any]:
    found = state.get(name) if isinstance(state, dict) else None
    return found if isinstance(found, dict) else {}


def _entries(found: Any) -> list[dict[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _nodes(engine: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, dict[str, Any]]:
    """Of a step library: each node's visits, seconds in all, and when the first and the last visit began."""
    began: dict[str, list[float]] = {}
    for change in changes:
        if change.path in (("engine",), ("engine", "visits")):
            began.clear()  # a run that began afresh
        elif len(change.path) == 3 and change.path[1] == "visits":
            began.setdefault(change.path[2], []).append(change.time)
    seconds = _group(engine, "seconds")
    return {
        node: {"visits": count, "seconds": seconds.get(node, 0.0)}
        | ({"first": began[node][0], "last": began[node][-1]} if node in began else {})
        for node, count in _group(engine, "visits").items()
    }


def _measured(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sums a step, with its CPU (percent, by time), most memory at an end, what the disk grew by, and `shared`."""
    by_step: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        by_step.setdefault(str(entry.get("step", entry.get("key"))), []).append(entry)
    rows = sums(entries)
    for row in rows:
        each = by_step[row["step"]]
        loads = [(entry["cpu_end"], entry["duration"]) for entry in each
                 if is_number(entry.get("cpu_end")) and is_number(entry.get("duration"))]
        seconds = sum(duration for _, duration in loads)
        if loads:
            row["cpu"] = sum(cpu * duration for cpu, duration in loads) / seconds if seconds else loads[-1][0]
        for name, of in (("mem_end", max), ("disk_delta", sum)):
            values = [entry[name] for entry in each if is_number(entry.get(name))]
            if values:
                row[name] = of(values)
        row["shared"] = any(entry.get("shared") for entry in each)
    return rows
