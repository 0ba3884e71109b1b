"""Summary: how often was tried, and what came of it."""

from __future__ import annotations

from octo import ParameterStore, StepNode


class step_node_summary(StepNode):
    """Print and keep (ctx["summary"]) what each of the two ways of trying again came to."""

    name = "summary"

    step_node_graph_dict = {
        "summary": {
            "module_name_string": "step_node_summary",
            "node_step_name_string": "summary",
            "dg_node_attr_dict": {"label": "summary", "shape": "note"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict: dict[str, dict[str, object]] = {}

    def step_execute(self) -> int:
        state = ParameterStore(".").read()
        summary = {
            "statemachine": state["statemachine"]["state_machine_mode"],
            "repairs": self.ctx.get("repairs", 0),
            "fetch_tries": state.get("fetch", {}).get("tries", 0),
            "parts": len(self.ctx.get("parts", [])),
        }
        self.ctx["summary"] = summary
        print(f"state machine: {summary['statemachine']}, repairs: {summary['repairs']}")
        print(f"fetch: {summary['parts']} parts, tries: {summary['fetch_tries']}")
        return 0
