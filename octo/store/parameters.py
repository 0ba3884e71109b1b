"""`ParameterStore`: the state of an instance, in the files that the documents name."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from octo.errors import UsageError, quoted

from .layout import GLOBAL, JOURNAL_FILE, PARAMETER_FILE, RECIPE_FILE, default_state, instance_layout
from .locked_json import LockedJson
from .run_lock import RunOwner, owner_of


class ParameterStore(LockedJson):
    """The state of the instance in `directory`.

    UsageError where that is no instance; with `create` it is made one. Places begin with a group:
    `store.get("global_parameters", "run_step_count")`, `store.set("limits", "max_volt", 5.25)`.
    """

    def __init__(self, directory: str | Path, *, create: bool = False, who: str | None = None,
                 default: dict[str, Any] | None = None) -> None:
        self.directory = Path(directory).absolute()
        view, journal = self.directory / PARAMETER_FILE, self.directory / JOURNAL_FILE
        if create:
            self.directory.mkdir(parents=True, exist_ok=True)
        elif not view.exists() and not journal.exists():
            what = "is not a directory"
            if self.directory.is_dir():
                what = f"is not an instance: it has no {PARAMETER_FILE}"
            raise UsageError(f"{directory} {what}", hints=[f"octo init {quoted(directory)} --library LIB"])
        self._open(instance_layout(self.directory, default_state() if default is None else default), who)
        if create:
            with self._state_file.locked():
                pass

    def begin_anew_if_removed(self) -> None:
        """Where the JSON was deleted (its owner's way to start over), set its journal aside and begin as new."""
        if not self.path.exists():
            with self._state_file.locked():
                pass

    def running(self) -> RunOwner | None:
        """Who runs this instance now; None where nobody does."""
        return owner_of(self.directory)

    def fork(self, new_path: str | Path, seq: int | None = None) -> ParameterStore:
        """A new instance in `new_path` that begins with this one's state and history up to `seq`."""
        directory = Path(new_path).absolute()
        self._copy_to(instance_layout(directory, default_state()), seq)
        new = ParameterStore(directory)
        library = new.get(GLOBAL, "step_engine_library_path", default="")
        with new.transaction(who="fork") as tx:
            if library and not os.path.isabs(library):
                there = os.path.normpath(self.directory / library)
                tx.set((GLOBAL, "step_engine_library_path"), os.path.relpath(there, directory))
            tx.set((GLOBAL, "step_engine_instance_path"), str(directory))
        with suppress(FileNotFoundError):
            shutil.copyfile(self.directory / RECIPE_FILE, directory / RECIPE_FILE)
        return new
