"""Fetch: a step that may fail half-way, tried again by the engine."""

from __future__ import annotations

from octo import StepNode
from step_library.retry_demo.chance import roll


class step_node_fetch(StepNode):
    """Collect `parts` parts into ctx["parts"]; a try that fails leaves none of its parts there.

    The engine undoes what a failed call did to ctx, waits and calls it again. What must outlive a failed
    try does not belong in plain ctx: the number of the try is a result, the entry in `events` a record.
    """

    name = "fetch"

    step_node_graph_dict = {
        "fetch": {
            "module_name_string": "step_node_fetch",
            "node_step_name_string": "fetch",
            "dg_node_attr_dict": {"label": "fetch", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
            "retry": {"attempts": 4, "delay": 0.3, "backoff": 2},
        },
    }

    step_arrow_graph_dict = {
        "fetched": {
            "module_name_string": "step_node_summary",
            "arrow_step_name_string": "summary",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
        "step_arrow_graph_list_key_failure_path": {
            "module_name_string": "step_node_summary",
            "arrow_step_name_string": "summary",
            "dg_edge_attr_dict": {"label": "all tries failed"},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {
        "fetch": {"parts": 4, "failure_rate": 0.6, "seed": 17, "pause_seconds": 0.1}
    }

    step_node_results_dict_init = {"fetch": {"tries": 0}}

    def step_execute(self) -> int:
        number, parts = self.results["tries"] + 1, int(self.params["parts"])
        fails = roll(self.params["seed"], number) < float(self.params["failure_rate"])
        last = int(roll(self.params["seed"], number, "part") * parts)  # the part that a bad try fails at
        self.ctx["parts"] = []
        for part in range(parts):
            self.ctx.stop.wait(float(self.params["pause_seconds"]))  # stands for the work
            if fails and part == last:
                self.ctx.record("events", {"node": self.name, "try": number, "failed_at_part": part})
                self.results["tries"] = number
                raise ConnectionError(f"try {number}: lost the line at part {part + 1} of {parts}")
            self.ctx["parts"].append(f"part {part + 1} of try {number}")
        self.results["tries"] = number
        print(f"try {number}: all {parts} parts are there")
        return 0

    def step_advance(self) -> str:
        return "fetched"
