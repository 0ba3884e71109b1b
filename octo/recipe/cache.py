"""Results of steps with a `cache_key`, kept in the instance as JSON: the newest hundred of each step.

A result stands again when the key's text, the rendered params and the source of the function are what they were.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

from octo.engine.step_book import kept_result
from octo.engine.work import Cached
from octo.store import dumps, loads
from octo.store.files import write_whole

FOLDER = ".octo_step_cache"
NEWEST = 100


def cache_entry(key: str, arguments: Any, source: str) -> dict[str, Any]:
    """What a result depends on."""
    text = json.dumps(arguments, sort_keys=True, default=repr)
    return {"key": key, "params": hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest(), "source": source}


class Cache:
    """The kept results of one instance."""

    def __init__(self, instance: Path) -> None:
        self._folder = instance / FOLDER
        self._lock = threading.Lock()

    def find(self, step: str, wanted: dict[str, Any]) -> Cached | None:
        path = self._path(step)
        for entry in reversed(_read(path)):
            if {key: entry.get(key) for key in wanted} == wanted:
                return Cached(entry["result"], entry["ops"], f"cached: {wanted['key']!r} ended well before")
        return None

    def keep(self, step: str, wanted: dict[str, Any], result: Any, ops: list[dict[str, Any]]) -> None:
        """Keep a result; of one that is no JSON what stands with the step, its type and size."""
        plain = kept_result(result, whole=True)
        entry = {**wanted, "result": plain, "ops": [op for op in json.loads(dumps(ops)) if not op.get("record")]}
        with self._lock:
            self._folder.mkdir(exist_ok=True)
            path = self._path(step)
            kept = [old for old in _read(path) if {key: old.get(key) for key in wanted} != wanted]
            write_whole(path, [dumps([*kept, entry][-NEWEST:])])

    def _path(self, step: str) -> Path:
        name = quote(step, safe=" ")
        if len(name) > 150:
            name = f"{name[:80]}-{hashlib.sha256(step.encode()).hexdigest()[:16]}"
        return self._folder / f"{name}.json"


def _read(path: Path) -> list[dict[str, Any]]:
    """What is kept; nothing where the file is not there or cannot be read (then the step is run)."""
    try:
        found = loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
