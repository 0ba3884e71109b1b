"""Compare: do the two ways agree? The node that can be told to fail."""

from __future__ import annotations

import statistics

from octo import StepNode


class step_node_compare(StepNode):
    """The main period is the mean of both, if they differ by no more than `tolerance_years`.

    If they differ by more the run fails here; a wider tolerance and another `octo run` carry on from this
    node, without doing again what was done before it.
    """

    name = "compare"

    step_node_graph_dict = {
        "compare": {
            "module_name_string": "step_node_compare",
            "node_step_name_string": "compare",
            "dg_node_attr_dict": {"label": "compare", "shape": "diamond"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "agree": {
            "module_name_string": "step_node_report",
            "arrow_step_name_string": "report",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    # One year is how far apart the numbers of the record lie.
    step_node_params_dict_init = {"compare": {"tolerance_years": 1.0, "fail_on_purpose": 0}}

    def step_execute(self) -> int:
        found = [self.ctx[method]["period_years"] for method in ("periodogram", "autocorrelation")]
        difference, tolerance = abs(found[0] - found[1]), float(self.params["tolerance_years"])
        self.ctx["period_years"] = round(statistics.fmean(found), 2)
        print(f"{found[0]:.2f} and {found[1]:.2f} years: {difference:.2f} apart, tolerance {tolerance:g}")
        if self.params["fail_on_purpose"]:
            raise RuntimeError(
                "failed on purpose: set the parameter fail_on_purpose of compare to 0 and run again"
            )
        if difference > tolerance:
            raise ValueError(
                f"the two methods differ by {difference:.2f} years,"
                f" more than tolerance_years ({tolerance:g}) of compare"
            )
        return 0
