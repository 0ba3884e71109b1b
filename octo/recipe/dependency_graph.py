"""`DependencyGraph`: tasks and what they depend on, their order, their picture."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from octo.engine.graph import Arrow, Graph, NodeSpec, nearest
from octo.errors import UsageError

_IN_A_CYCLE = {"color": "red", "fontcolor": "red"}


class DependencyGraph:
    """Tasks by name, in the order in which they were added."""

    def __init__(self) -> None:
        self.tasks: dict[str, list[str]] = {}

    def add_task(self, task_name: str, dependencies: Iterable[str] = ()) -> None:
        """Add a task. What it depends on may be added later; adding a task again replaces its dependencies."""
        if not isinstance(task_name, str) or not task_name:
            raise UsageError(f"the name of a task must be text that is not empty, not {task_name!r}")
        given = [dependencies] if isinstance(dependencies, str) else list(dependencies or ())
        self.tasks[task_name] = list(dict.fromkeys(given))

    def get_task_order(self) -> list[str]:
        """All tasks, each behind what it depends on; else as they were added, as a run takes its steps.

        UsageError for a dependency that is no task and for a cycle, which the message shows.
        """
        self._check_names()
        place = {name: number for number, name in enumerate(self.tasks)}
        names = list(self.tasks)
        sorter = TopologicalSorter(self.tasks)
        try:
            sorter.prepare()
        except CycleError:
            raise UsageError(f"a cycle of dependencies: {' -> '.join(self.find_cycle())}") from None
        order: list[str] = []
        ready: list[int] = []
        while sorter.is_active():
            for name in sorter.get_ready():
                heapq.heappush(ready, place[name])
            first = names[heapq.heappop(ready)]
            order.append(first)
            sorter.done(first)
        return order

    def find_cycle(self) -> list[str]:
        """A task, what it depends on, and so on back to that task; empty where there is no cycle."""
        try:
            TopologicalSorter(self.tasks).prepare()
        except CycleError as error:
            return list(reversed(error.args[1]))
        return []

    def visualize(self, path: str | Path = "graph.png") -> Path:
        """Draw the tasks into a .png, .svg or .dot file and give its path. The arrows of a cycle are red."""
        from octo.engine.picture import Marks, draw

        self._check_names()
        out = Path(path).absolute()
        cycle = self.find_cycle()
        red = set(zip(cycle, cycle[1:], strict=False))
        arrows: dict[str, dict[str, Arrow]] = {name: {} for name in self.tasks}
        for name, needs in self.tasks.items():
            for need in needs:
                attrs = _IN_A_CYCLE if (name, need) in red else {}
                arrows[need][name] = Arrow(name, need, name, attrs=dict(attrs))
        nodes = {name: NodeSpec(name, "", object, out, arrows=arrows[name]) for name in self.tasks}
        draw(Graph(out, nodes), Marks(title="dependencies"), out)
        return out

    def _check_names(self) -> None:
        for name, needs in self.tasks.items():
            for need in needs:
                if need not in self.tasks:
                    raise UsageError(f"task {name!r} depends on {need!r}, which is no task{nearest(need, self.tasks)}")
