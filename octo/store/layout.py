"""Where the files of a JSON lie, and what is special about the one of an instance."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .changes import MISSING
from .run_lock import RUN_LOCK_FILE, is_held
from .values import Path as Place

PARAMETER_FILE = ".octo_step_engine_parameters.json"
RECIPE_FILE = "recipe.yaml"
"""The instance's copy of the recipe that it runs, if it runs one."""
LOCK_FILE = ".octo_step_engine_parameters.lock"
JOURNAL_FILE = ".octo_step_engine_parameters.journal"
GLOBAL = "global_parameters"


@dataclass(frozen=True)
class Layout:
    """The files of one JSON. `checkpoint`: the place in it that says which change it shows."""

    view: Path
    lock: Path
    journal: Path
    checkpoint: Place | None = None
    is_running: Callable[[], bool] = lambda: False
    default: Any = MISSING


def any_layout(path: str | Path, lock_path: str | Path | None, default: Any) -> Layout:
    """Of any JSON file: by whatever name it is opened, it has one lock and one journal."""
    view = Path(os.path.realpath(path))
    stem = view.name[: -len(view.suffix)] if view.suffix == ".json" else view.name
    lock = Path(lock_path).absolute() if lock_path is not None else view.with_name(f"{stem}.lock")
    return Layout(view, lock, view.with_name(f"{stem}.journal"), default=default)


def default_state() -> dict[str, Any]:
    """The documented state of a new instance."""
    return {
        GLOBAL: {
            "step_engine_library_path": "",
            "step_engine_instance_path": "",
            "step_engine_state": "INACTIVE",
            "current_step_module": "",
            "current_step_node": "",
            "current_step_state": "INACTIVE",
            "first_step_module": "",
            "first_step_node": "",
            "run_step_count": 1,
        }
    }


def instance_layout(directory: Path, default: Any) -> Layout:
    """The files of an instance. Symbolic links are followed to the JSON itself; lock and journal stay here."""
    directory = Path(os.path.realpath(directory))
    return Layout(
        view=Path(os.path.realpath(directory / PARAMETER_FILE)),
        lock=directory / LOCK_FILE,
        journal=directory / JOURNAL_FILE,
        checkpoint=(GLOBAL, "checkpoint"),
        is_running=lambda: is_held(directory / RUN_LOCK_FILE),
        default=default,
    )
