"""Cool down: rest a little after a marginal try, then measure once more."""

from __future__ import annotations

from octo import StepNode


class step_node_cool_down(StepNode):
    """Wait `seconds` and begin the next try at the baseline."""

    name = "cool_down"

    step_node_graph_dict = {
        "cool_down": {
            "module_name_string": "step_node_cool_down",
            "node_step_name_string": "cool_down",
            "dg_node_attr_dict": {"label": "cool down", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "try_again": {
            "module_name_string": "step_node_baseline",
            "arrow_step_name_string": "baseline",
            "dg_edge_attr_dict": {"label": "try again"},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {"cool_down": {"seconds": 3}}

    def step_execute(self) -> int:
        print(f"marginal: resting {self.params['seconds']} s before the next try")
        self.ctx.stop.wait(float(self.params["seconds"]))
        self.ctx["try"] += 1
        return 0
