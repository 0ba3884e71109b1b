"""Identify: which machine is on the bench."""

from __future__ import annotations

from pathlib import Path

from octo import StepNode
from step_library.machine_check import measure


class step_node_identify(StepNode):
    """Write down what the machine is and start with an empty table of samples."""

    name = "identify"

    step_node_graph_dict = {
        "identify": {
            "module_name_string": "step_node_identify",
            "node_step_name_string": "identify",
            "dg_node_attr_dict": {"label": "identify", "shape": "box"},
            "first_node_step_bool": 1,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "identified": {
            "module_name_string": "step_node_baseline",
            "arrow_step_name_string": "baseline",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    def step_execute(self) -> int:
        machine = measure.identify(Path.cwd())
        self.ctx["machine"] = machine
        self.ctx["rows"] = []
        self.ctx["try"] = 1
        print(f"{machine['host']}: {machine['system']}")
        print(
            f"{machine['cores']} x {machine['processor']}, {machine['memory_mib']} MiB memory,"
            f" {machine['disk_gib']} GiB disk"
        )
        if not machine["temperature_sensors"]:
            print("no temperature sensors: the temperature is not measured, and no limit on it can fail")
        return 0
