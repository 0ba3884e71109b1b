"""How far each step of a recipe's instance is and what it took, without the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

_SHOWN = ("status", "attempt", "start", "end", "seconds", "usage", "reason")


def steps_shown(steps: Any) -> dict[str, dict[str, Any]]:
    """What the state's group `steps` says of each step, without results; of items their number by status."""
    if not isinstance(steps, Mapping):
        return {}
    return {name: _entry(entry) for name, entry in steps.items() if isinstance(entry, Mapping)}


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {key: entry[key] for key in _SHOWN if key in entry}
    if isinstance(shown.get("usage"), Mapping):
        shown["usage"] = dict(shown["usage"])
    error = entry.get("error")
    if isinstance(error, Mapping):
        shown["error"] = {key: error.get(key) for key in ("type", "message")}
    items = entry.get("items")
    if isinstance(items, Mapping) and items:
        each = [item for item in items.values() if isinstance(item, Mapping)]
        shown["items"] = dict(Counter(str(item.get("status")) for item in each))
        shown["running"] = [int(index) for index, item in items.items() if item.get("status") == "RUNNING"]
        shown["attempt"] = max((item.get("attempt", 1) for item in each), default=1)
        usages = [item["usage"] for item in each if isinstance(item.get("usage"), Mapping)]
        if usages:
            shown["usage"] = {
                "cpu": round(sum(usage.get("cpu", 0.0) for usage in usages), 6),
                "rss": max(usage.get("rss", 0) for usage in usages),
                "shared": any(usage.get("shared") for usage in usages),
            }
    return shown
