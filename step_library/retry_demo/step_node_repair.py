"""Repair: where the failure arrow of the state machine leads."""

from __future__ import annotations

from octo import ParameterStore, StepNode


class step_node_repair(StepNode):
    """Set the state machine back to INIT, at most `most_repairs` times; then give up."""

    name = "repair"

    step_node_graph_dict = {
        "repair": {
            "module_name_string": "step_node_repair",
            "node_step_name_string": "repair",
            "dg_node_attr_dict": {"label": "repair", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "repaired": {
            "module_name_string": "step_node_statemachine",
            "arrow_step_name_string": "statemachine",
            "dg_edge_attr_dict": {"label": "repaired"},
            "active_arrow_step_bool": 1,
        },
        "give_up": {
            "module_name_string": "step_node_summary",
            "arrow_step_name_string": "summary",
            "dg_edge_attr_dict": {"label": "give up"},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {"repair": {"most_repairs": 2}}

    def step_execute(self) -> int:
        done = self.ctx.get("repairs", 0)
        self.ctx["given_up"] = done >= int(self.params["most_repairs"])
        if self.ctx["given_up"]:
            print(f"repaired {done} times already: giving up")
            return 0
        # Counted in ctx, so it counts once even if this call is cut off and repeated. The group of another
        # node is not ctx: what is written there must be the same each time, and is.
        self.ctx["repairs"] = done + 1
        machine = ParameterStore(".")
        machine.set("statemachine", "retry_count", 0)
        machine.set("statemachine", "state_machine_mode", "INIT")
        print(f"repair {done + 1}: the state machine starts again at INIT")
        return 0

    def step_advance(self) -> str:
        return "give_up" if self.ctx["given_up"] else "repaired"
