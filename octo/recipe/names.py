"""What a step's templates see of the run: `steps['load'].result`, `run.dir`, ctx, item, index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from octo.engine.step_book import GROUP
from octo.engine.work import Call
from octo.store import MISSING
from octo.store.state_file import StateFile
from octo.store.values import copied


class StepView:
    """How far one step is: `status`, `result`, `error`, `seconds`, `attempt` and the rest of its entry in the file."""

    def __init__(self, name: str, entry: Mapping[str, Any]) -> None:
        self._name, self._entry = name, entry

    @property
    def status(self) -> str:
        return str(self._entry.get("status", "WAITING"))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._entry.get(name)

    def __getitem__(self, name: str) -> Any:
        return self.status if name == "status" else self._entry.get(name)

    def __repr__(self) -> str:
        return f"{self._name}: {self.status}"


class StepsView(Mapping[str, StepView]):
    """All steps of the run, read anew each time."""

    def __init__(self, file: StateFile, names: list[str]) -> None:
        self._file, self._names = file, dict.fromkeys(names)

    def __getitem__(self, name: str) -> StepView:
        if name not in self._names:
            raise KeyError(name)
        entry = self._file.look((GROUP, name), copied)
        return StepView(name, {} if entry is MISSING else entry)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def template_names(call: Call, steps: StepsView, params: Any, run: Mapping[str, str]) -> dict[str, Any]:
    """The names for one attempt of a step."""
    names = {"ctx": call.ctx, "params": params, "steps": steps, "run": run}
    if call.index >= 0:
        names |= {"item": call.item, "index": call.index}
    return names
