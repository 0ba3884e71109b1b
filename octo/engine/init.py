"""`octo init`: make a directory an instance of a step library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from octo.errors import UsageError
from octo.store import GLOBAL, PARAMETER_FILE, ParameterStore, default_state

from .library import load_library


def empty_state(place: Path) -> dict[str, Any]:
    """The documented state of a new instance in `place`."""
    state = default_state()
    state[GLOBAL]["step_engine_instance_path"] = str(place)
    return state


def init_instance(directory: str | Path, library: str | Path | None) -> ParameterStore:
    """Create the parameter file; the library's path is kept relative to the instance where that is short.

    The library is loaded first, so LibraryError leaves nothing behind. UsageError where an instance is
    already.
    """
    place = Path(directory).absolute()
    if (place / PARAMETER_FILE).exists():
        raise UsageError(
            f"{directory} is an instance already", hints=[f"octo run {directory}", f"octo reset {directory}"]
        )
    state = empty_state(place)
    if library is not None:
        graph = load_library(Path(library))
        try:
            relative = os.path.relpath(Path(library).resolve(), place.resolve())
        except ValueError:  # another drive on Windows
            relative = str(Path(library).resolve())
        state[GLOBAL]["step_engine_library_path"] = relative
        first = graph.first_node()
        state[GLOBAL]["first_step_node"] = first
        state[GLOBAL]["first_step_module"] = graph.nodes[first].module
        for spec in graph.nodes.values():
            for group, values in [*spec.params_init.items(), *spec.results_init.items()]:
                for key, value in values.items():
                    state.setdefault(group, {}).setdefault(key, value)
    return ParameterStore(place, create=True, default=state)
