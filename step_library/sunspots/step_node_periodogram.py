"""Periodogram: the first way to the main period."""

from __future__ import annotations

from octo import StepNode
from step_library.sunspots import periods


class step_node_periodogram(StepNode):
    """Try sines of many periods; the one that accounts for most of the variance wins."""

    name = "periodogram"

    step_node_graph_dict = {
        "periodogram": {
            "module_name_string": "step_node_periodogram",
            "node_step_name_string": "periodogram",
            "dg_node_attr_dict": {"label": "periodogram", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "done": {
            "module_name_string": "step_node_autocorrelation",
            "arrow_step_name_string": "autocorrelation",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {
        "periodogram": {"shortest_years": 4, "longest_years": 40, "step_years": 0.05}
    }

    def step_execute(self) -> int:
        shortest = float(self.params["shortest_years"])
        curve = periods.periodogram(
            list(self.ctx["numbers"]),
            shortest,
            float(self.params["longest_years"]),
            float(self.params["step_years"]),
        )
        period, height = periods.highest_peak(curve, shortest)
        self.ctx["periodogram"] = {"period_years": period, "height": height, "curve": curve}
        print(f"main period {period:.2f} years: a sine of that period has {height:.0%} of the variance")
        return 0
