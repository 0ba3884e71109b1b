"""The counter loop whose node decides itself when it is over: a `step_advance` at each step as well."""

from __future__ import annotations

from bench import clock
from octo import StepNode


class step_node_decider(StepNode):
    name = "step_node_decider"
    step_node_graph_dict = {
        "step_node_decider": {
            "module_name_string": "step_node_decider",
            "node_step_name_string": "step_node_decider",
            "first_node_step_bool": 1,
            "active_node_step_bool": 1,
        }
    }
    step_arrow_graph_dict = {
        "again": {
            "module_name_string": "step_node_decider",
            "arrow_step_name_string": "step_node_decider",
            "active_arrow_step_bool": 1,
        }
    }

    def step_execute(self) -> int:
        clock.running().tick()
        self.ctx["n"] += 1
        return 0

    def step_advance(self) -> str:
        return "again" if clock.running().more() else "COMPLETE"
