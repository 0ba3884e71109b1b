"""Autocorrelation: the second way to the main period."""

from __future__ import annotations

from octo import StepNode
from step_library.sunspots import periods


class step_node_autocorrelation(StepNode):
    """Compare the record with itself some years later; the main period is where they are most alike."""

    name = "autocorrelation"

    step_node_graph_dict = {
        "autocorrelation": {
            "module_name_string": "step_node_autocorrelation",
            "node_step_name_string": "autocorrelation",
            "dg_node_attr_dict": {"label": "autocorrelation", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "done": {
            "module_name_string": "step_node_compare",
            "arrow_step_name_string": "compare",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {"autocorrelation": {"shortest_years": 4, "longest_years": 40}}

    def step_execute(self) -> int:
        curve = periods.autocorrelation(list(self.ctx["numbers"]), int(self.params["longest_years"]))
        period, height = periods.highest_peak(curve, float(self.params["shortest_years"]))
        self.ctx["autocorrelation"] = {"period_years": period, "height": height, "curve": curve}
        print(f"main period {period:.2f} years: correlation {height:.2f} with the record that much later")
        return 0
