"""One row more at each step; the append itself is timed apart from the step."""

from __future__ import annotations

import time

from bench import clock
from bench.ballast import row
from octo import StepNode


class step_node_rows(StepNode):
    name = "step_node_rows"
    step_node_graph_dict = {
        "step_node_rows": {
            "module_name_string": "step_node_rows",
            "node_step_name_string": "step_node_rows",
            "first_node_step_bool": 1,
            "active_node_step_bool": 1,
        }
    }
    step_arrow_graph_dict = {
        "again": {
            "module_name_string": "step_node_rows",
            "arrow_step_name_string": "step_node_rows",
            "active_arrow_step_bool": 1,
        }
    }

    def step_execute(self) -> int:
        loop = clock.running()
        loop.tick()
        entry = row(len(loop.stamps))
        before = time.perf_counter()
        self.ctx["rows"].append(entry)
        loop.calls.append(time.perf_counter() - before)
        return 0

    def step_advance(self) -> str:
        return "again" if clock.running().more() else "COMPLETE"
