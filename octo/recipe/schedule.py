"""`Scheduler`: which steps can run side by side with the resources that there are, and what the machine does now.

A run needs no schedule: the engine starts each step when its dependencies and `resources` allow it. This is for
programs that want the plan beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octo.errors import UsageError, nearest

from .dependency_graph import DependencyGraph
from .model import Step
from .monitor import Monitor, free_cores, free_memory
from .sizes import parse_size, spell_size


@dataclass(frozen=True)
class _Task:
    name: str
    needs: tuple[str, ...]
    cpu: float
    mem: int


class Scheduler:
    """Plans steps in batches. `country` (three letters, such as "DEU") lets `monitor` tell emissions too."""

    def __init__(self, country: str = "") -> None:
        self._monitor = Monitor(country)

    def schedule(
        self, steps: Iterable[Mapping[str, Any] | Step], resources: Mapping[str, Any] | None = None
    ) -> list[list[str]]:
        """Batches of names: what is in one can run at the same time, one batch after another.

        `steps` as `RecipeParser.parse_steps` gives them. Each takes what its `resources` ask for, one core where they
        name none. `resources` are what there is, `{"cpu": 2, "mem": "2GB"}`; what they leave out is what is free on
        this machine now. UsageError for a step that is larger than that, and for a cycle.
        """
        cores, memory = _what_there_is(resources or {})
        tasks: dict[str, _Task] = {}
        graph = DependencyGraph()
        for task in map(_task, steps):
            if task.name in tasks:
                raise UsageError(f"two steps are called {task.name!r}")
            tasks[task.name] = task
            if task.cpu > cores:
                raise UsageError(f"step {task.name!r} asks for {task.cpu:g} cores; there are {cores:g}")
            if task.mem > memory:
                raise UsageError(
                    f"step {task.name!r} asks for {spell_size(task.mem)} of memory; there are {spell_size(memory)}"
                )
            graph.add_task(task.name, task.needs)
        waiting = graph.get_task_order()
        met: set[str] = set()
        batches: list[list[str]] = []
        while waiting:
            batch = _batch([tasks[name] for name in waiting], met, cores, memory)
            batches.append(batch)
            met.update(batch)
            waiting = [name for name in waiting if name not in met]
        return batches

    def monitor(self) -> dict[str, Any]:
        """What the machine and this process use now, and the energy since the last call; see `octo.recipe.monitor`."""
        return self._monitor.figures()


def _batch(waiting: Sequence[_Task], met: set[str], cores: float, memory: int) -> list[str]:
    """The first of those whose dependencies are met, and all behind it that still fit beside it."""
    batch = []
    for task in waiting:
        if met.issuperset(task.needs) and task.cpu <= cores and task.mem <= memory:
            batch.append(task.name)
            cores, memory = cores - task.cpu, memory - task.mem
    return batch


def _what_there_is(resources: Mapping[str, Any]) -> tuple[float, int]:
    for key in resources:
        if key not in ("cpu", "mem"):
            raise UsageError(f"resources have cpu and mem, no {key}{nearest(key, ('cpu', 'mem'))}")
    cpu, mem = resources.get("cpu"), resources.get("mem")
    return free_cores() if cpu is None else _cores(cpu, "resources"), (
        free_memory() if mem is None else _bytes(mem, "resources")
    )


def _task(step: Mapping[str, Any] | Step) -> _Task:
    if isinstance(step, Step):
        return _Task(step.name, tuple(step.depends_on), step.cpu or 1.0, step.mem or 0)
    if not isinstance(step, Mapping):
        raise UsageError(f"a step is a mapping with a name, as RecipeParser.parse_steps gives it; not {step!r}")
    name = step.get("name")
    if not isinstance(name, str) or not name:
        raise UsageError(f"a step without a name: {dict(step)!r}")
    needs: list[str] = []
    for field in ("depends_on", "after"):
        given = step.get(field) or ()
        needs += [given] if isinstance(given, str) else given
    asked = step.get("resources") or {}
    cpu, mem = asked.get("cpu"), asked.get("mem")
    where = f"step {name!r}: resources"
    return _Task(
        name, tuple(needs), 1.0 if cpu is None else _cores(cpu, where), 0 if mem is None else _bytes(mem, where)
    )


def _cores(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise UsageError(f"{where}: cpu is a number of cores, more than 0; not {value!r}")
    return float(value)


def _bytes(value: Any, where: str) -> int:
    size = parse_size(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    if size is None or size < 0:
        raise UsageError(f'{where}: mem is a size, bytes or text such as "2GB" or "500 MiB"; not {value!r}')
    return size
