"""Clean: a series without holes, whatever check found."""

from __future__ import annotations

from octo import StepNode
from step_library.sunspots import record


class step_node_clean(StepNode):
    """Leave out bad lines, fill short gaps on a straight line: ctx["years"] and ctx["numbers"]."""

    name = "clean"

    step_node_graph_dict = {
        "clean": {
            "module_name_string": "step_node_clean",
            "node_step_name_string": "clean",
            "dg_node_attr_dict": {"label": "clean", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "cleaned": {
            "module_name_string": "step_node_periodogram",
            "arrow_step_name_string": "periodogram",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {"clean": {"longest_gap_years": 3}}

    def step_execute(self) -> int:
        years, numbers, filled = record.mend(self.ctx["raw"], int(self.params["longest_gap_years"]))
        self.ctx["years"], self.ctx["numbers"], self.ctx["filled"] = years, numbers, filled
        print(
            f"{len(years)} years, {years[0]} to {years[-1]}; filled in:",
            ", ".join(map(str, filled)) or "none",
        )
        return 0
