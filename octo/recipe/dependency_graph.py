"""`DependencyGraph`: tasks and what they depend on, their order, their picture."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from octo.engine.graph import Arrow, Graph, NodeSpec, StepSpec
from octo.errors import UsageError, nearest


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
        """Draw the tasks into a .png, .svg or .dot file and give its path. Those of a cycle say so.

        Of a graph that is too large to show one, the cycle alone is drawn.
        """
        from octo.engine.marks import Marks
        from octo.engine.picture import draw
        from octo.engine.step_picture import MOST_ARROWS

        self._check_names()
        out = Path(path).absolute()
        cycle = self.find_cycle()
        arrows = [(need, name) for name, needs in self.tasks.items() for need in needs]
        shown = list(self.tasks)
        if cycle and len(arrows) > MOST_ARROWS:
            shown, arrows = cycle[:-1], [(need, name) for name, need in zip(cycle, cycle[1:], strict=False)]
        leads_to: dict[str, dict[str, Arrow]] = {name: {} for name in shown}
        for need, name in arrows:
            leads_to[need][name] = Arrow(name, need, name)
        nodes: dict[str, NodeSpec] = {}
        for name in shown:
            attrs = {"label": name.replace("\\", "\\\\") + "\\nin a cycle"} if name in cycle else {}
            # without any dependency they stand side by side
            nodes[name] = StepSpec(name, "", object, out, attrs=attrs, arrows=leads_to[name], parallel=not arrows)
        draw(Graph(out, nodes), Marks(title="dependencies"), out)
        return out

    def _check_names(self) -> None:
        for name, needs in self.tasks.items():
            for need in needs:
                if need not in self.tasks:
                    raise UsageError(f"task {name!r} depends on {need!r}, which is no task{nearest(need, self.tasks)}")
