"""Load: a pulse of work for processor, memory and disk, and a sample of what the machine makes of it."""

from __future__ import annotations

from pathlib import Path

from octo import StepNode
from step_library.machine_check import measure, rows


class step_node_load(StepNode):
    """One pulse and one row a visit; the arrow back to itself is taken until there are `pulses` of them."""

    name = "load"

    step_node_graph_dict = {
        "load": {
            "module_name_string": "step_node_load",
            "node_step_name_string": "load",
            "dg_node_attr_dict": {"label": "load", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "next_pulse": {
            "module_name_string": "step_node_load",
            "arrow_step_name_string": "load",
            "dg_edge_attr_dict": {"label": "next pulse"},
            "active_arrow_step_bool": 1,
        },
        "loaded": {
            "module_name_string": "step_node_check_limits",
            "arrow_step_name_string": "check_limits",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    # threads 0: one for each core.
    step_node_params_dict_init = {
        "load": {"pulses": 10, "pulse_seconds": 1.0, "threads": 0, "disk_mib": 8, "memory_mib": 32}
    }

    def step_execute(self) -> int:
        stop = self.ctx.stop
        sample = rows.Sample(self.ctx, "load")
        load = measure.put_load(
            seconds=float(self.params["pulse_seconds"]),
            threads=int(self.params["threads"]) or self.ctx["machine"]["cores"],
            disk_mib=int(self.params["disk_mib"]),
            memory_mib=int(self.params["memory_mib"]),
            folder=Path("Data"),
            stop=stop,
        )
        if not stop.is_set():  # else the pulse was cut short and would make a wrong row
            row = sample.take(load)
            print(
                f"{row['sample']}/{self.params['pulses']}  cpu {row['cpu_percent']:5.1f} %"
                f"  hash {row['hash_mib_s']:.0f}  memory {row['memory_mib_s']:.0f}"
                f"  disk {row['disk_write_mib_s']:.0f} w {row['disk_read_mib_s']:.0f} r MiB/s"
                f"  errors {row['errors']}"
            )
        return 0

    def step_advance(self) -> str:
        return "next_pulse" if rows.taken(self.ctx, "load") < int(self.params["pulses"]) else "loaded"
