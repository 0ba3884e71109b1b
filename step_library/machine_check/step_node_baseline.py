"""Baseline: how busy the machine is before the bench puts a load on it."""

from __future__ import annotations

from octo import StepNode
from step_library.machine_check import rows


class step_node_baseline(StepNode):
    """Take one sample a visit; the arrow back to itself is taken until there are `samples` of them."""

    name = "baseline"

    step_node_graph_dict = {
        "baseline": {
            "module_name_string": "step_node_baseline",
            "node_step_name_string": "baseline",
            "dg_node_attr_dict": {"label": "baseline", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "next_sample": {
            "module_name_string": "step_node_baseline",
            "arrow_step_name_string": "baseline",
            "dg_edge_attr_dict": {"label": "next sample"},
            "active_arrow_step_bool": 1,
        },
        "sampled": {
            "module_name_string": "step_node_load",
            "arrow_step_name_string": "load",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {"baseline": {"samples": 6, "interval_seconds": 0.5}}

    def step_execute(self) -> int:
        sample = rows.Sample(self.ctx, "baseline")
        # True: the run is being stopped, and half an interval is no sample. This visit then adds no row.
        if not self.ctx.stop.wait(float(self.params["interval_seconds"])):
            row = sample.take()
            print(
                f"{row['sample']}/{self.params['samples']}  cpu {row['cpu_percent']:5.1f} %"
                f"  memory {row['memory_percent']:.1f} %"
            )
        return 0

    def step_advance(self) -> str:
        return "next_sample" if rows.taken(self.ctx, "baseline") < int(self.params["samples"]) else "sampled"
