"""Helpers for tests of state on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from octo.store import JOURNAL_FILE, PARAMETER_FILE, LockedJson, ParameterStore, state_file
from octo.store.values import crc_is_right


def apart(path: Path) -> None:
    """What this process opens from now on behaves as another process would: it shares nothing with what is open."""
    view = path / PARAMETER_FILE if path.is_dir() else path
    state_file._files.pop(os.path.realpath(view), None)


def other(store: ParameterStore, who: str = "other") -> ParameterStore:
    """A second store on the same instance, as another process would have it."""
    apart(store.directory)
    return ParameterStore(store.directory, who=who)


def other_json(path: Path, **more: Any) -> LockedJson:
    apart(path)
    return LockedJson(path, **more)


def view_of(store: LockedJson) -> Path:
    return store.path


def journal_of(store: LockedJson) -> Path:
    return store._state_file.layout.journal


def shown(store: LockedJson) -> Any:
    """What the JSON shows, without the checkpoint."""
    state = json.loads(store.path.read_text(encoding="utf-8"))
    if isinstance(state, dict) and isinstance(state.get("global_parameters"), dict):
        state["global_parameters"].pop("checkpoint", None)
    return state


def records(directory: Path) -> list[dict[str, Any]]:
    """The records of an instance's journal; fails where a line is not whole."""
    path = directory / JOURNAL_FILE if directory.is_dir() else directory
    data = path.read_bytes()
    assert data.endswith(b"\n")
    lines = data.splitlines()
    assert all(crc_is_right(line) for line in lines)
    return [line for line in map(json.loads, lines) if "seq" in line and "ops" in line]


def edit(path: Path, change: Any, *, how: str = "rename") -> None:
    """Save the JSON as a person would: read, change, write by a new file or in place."""
    state = json.loads(path.read_text(encoding="utf-8"))
    state = change(state) or state
    save(path, json.dumps(state, indent=4), how=how)


def save(path: Path, text: str, *, how: str = "rename") -> None:
    if how == "rename":
        new = path.with_name(path.name + "~new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    else:
        path.write_text(text, encoding="utf-8")
