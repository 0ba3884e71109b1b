"""Check limits: hold the figures of this try against the limits and choose the arrow."""

from __future__ import annotations

from octo import StepNode
from step_library.machine_check import limits


class step_node_check_limits(StepNode):
    """Pass, marginal (try again, at most `tries` times in all) or fail.

    Its parameters are the limits: `octo params DIR check_limits max_temperature_c 80`. A machine that is
    marginal in its last try has failed.
    """

    name = "check_limits"

    step_node_graph_dict = {
        "check_limits": {
            "module_name_string": "step_node_check_limits",
            "node_step_name_string": "check_limits",
            "dg_node_attr_dict": {"label": "check limits", "shape": "diamond"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "pass": {
            "module_name_string": "step_node_report",
            "arrow_step_name_string": "report",
            "dg_edge_attr_dict": {"label": "pass"},
            "active_arrow_step_bool": 1,
        },
        "marginal": {
            "module_name_string": "step_node_cool_down",
            "arrow_step_name_string": "cool_down",
            "dg_edge_attr_dict": {"label": "marginal"},
            "active_arrow_step_bool": 1,
        },
        "fail": {
            "module_name_string": "step_node_diagnose",
            "arrow_step_name_string": "diagnose",
            "dg_edge_attr_dict": {"label": "fail"},
            "active_arrow_step_bool": 1,
        },
    }

    # Wide enough for any sound machine, busy or idle; a real bench sets its own.
    step_node_params_dict_init = {
        "check_limits": {
            "tries": 3,
            "margin_percent": 10,
            "max_cpu_percent": 100,
            "max_memory_percent": 98,
            "max_disk_percent": 99,
            "max_temperature_c": 100,
            "min_hash_mib_s": 5,
            "min_memory_mib_s": 5,
            "min_disk_write_mib_s": 0.5,
            "min_disk_read_mib_s": 0.5,
            "max_errors": 0,
        },
    }

    def step_execute(self) -> int:
        figures = limits.figures_of([row for row in self.ctx["rows"] if row["try"] == self.ctx["try"]])
        checks = limits.check(figures, self.params, float(self.params["margin_percent"]))
        verdict = limits.worst(entry["outcome"] for entry in checks)
        if verdict == limits.MARGINAL and self.ctx["try"] >= int(self.params["tries"]):
            verdict = limits.FAIL
        self.ctx["checks"] = checks
        self.ctx["verdict"] = verdict
        for entry in checks:
            sign = "<=" if entry["kind"] == "max" else ">="
            unit = limits.FIGURES[entry["figure"]][1]
            print(
                f"{entry['outcome']:12}  {entry['figure']} {entry['value']}",
                f"{sign} {entry['limit']} {unit}".rstrip(),
            )
        print(f"try {self.ctx['try']} of {self.params['tries']}: {verdict}")
        return 0

    def step_advance(self) -> str:
        verdict: str = self.ctx["verdict"]  # the arrows have the names of the verdicts
        return verdict
