"""Diagnose: after a failed check, note what keeps the machine busy and where to look."""

from __future__ import annotations

from octo import StepNode
from step_library.machine_check import limits, measure


class step_node_diagnose(StepNode):
    """Put the failed limits and the busiest processes into ctx["diagnosis"] for the report."""

    name = "diagnose"

    step_node_graph_dict = {
        "diagnose": {
            "module_name_string": "step_node_diagnose",
            "node_step_name_string": "diagnose",
            "dg_node_attr_dict": {"label": "diagnose", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "diagnosed": {
            "module_name_string": "step_node_report",
            "arrow_step_name_string": "report",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {"diagnose": {"seconds": 1, "processes": 5}}

    def step_execute(self) -> int:
        beyond = [
            entry["figure"]
            for entry in self.ctx["checks"]
            if entry["outcome"] in (limits.FAIL, limits.MARGINAL)
        ]
        busiest = measure.busiest_processes(
            float(self.params["seconds"]), self.ctx.stop, int(self.params["processes"])
        )
        self.ctx["diagnosis"] = {"beyond": beyond, "processes": busiest}
        print(f"beyond its limit: {', '.join(beyond)}")
        for process in busiest:
            print(
                f"{process['cpu_percent']:6.1f} % of a core  {process['memory_mib']:6} MiB "
                f" {process['name']} ({process['pid']})"
            )
        return 0
