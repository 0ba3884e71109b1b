"""The smallest loop there is: count, and go round by the only arrow, to itself; a step limit ends the run."""

from __future__ import annotations

from bench import clock
from octo import StepNode


class step_node_counter(StepNode):
    name = "step_node_counter"
    step_node_graph_dict = {
        "step_node_counter": {
            "module_name_string": "step_node_counter",
            "node_step_name_string": "step_node_counter",
            "first_node_step_bool": 1,
            "active_node_step_bool": 1,
        }
    }
    step_arrow_graph_dict = {
        "again": {
            "module_name_string": "step_node_counter",
            "arrow_step_name_string": "step_node_counter",
            "active_arrow_step_bool": 1,
        }
    }

    def step_execute(self) -> int:
        clock.running().tick()
        self.ctx["n"] += 1
        return 0
