"""Check: is every line a year and a number, and does each year come once and in order?"""

from __future__ import annotations

from octo import StepNode
from step_library.sunspots import record


class step_node_check(StepNode):
    """List what is wrong with the record in ctx["problems"]; too many problems are an error."""

    name = "check"

    step_node_graph_dict = {
        "check": {
            "module_name_string": "step_node_check",
            "node_step_name_string": "check",
            "dg_node_attr_dict": {"label": "check", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "checked": {
            "module_name_string": "step_node_clean",
            "arrow_step_name_string": "clean",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {"check": {"most_problems": 10}}

    def step_execute(self) -> int:
        problems = record.problems_of(self.ctx["raw"])
        self.ctx["problems"] = problems
        for problem in problems:
            print(f"line {problem['line']}: {problem['what']}")
        print(f"{len(problems)} problems in {len(self.ctx['raw'])} rows")
        if len(problems) > int(self.params["most_problems"]):
            raise ValueError(
                f"{len(problems)} problems, more than most_problems ({self.params['most_problems']})"
            )
        return 0
