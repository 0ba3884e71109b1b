"""The documented state machine: INIT, PROCESSING, COMPLETE, ERROR, kept in the parameter file.

A plain class without a base, in the documented style: all that it knows it reads from the parameter file,
and all that must last it writes there. It does not name its engine anywhere.
"""

from __future__ import annotations

import time
from typing import Any

from octo_step_engine_parameters import octo_step_engine_parameters

from step_library.retry_demo.chance import roll


class step_node_statemachine:
    """One state a visit. In ERROR `step_execute` says so with 1, and the engine takes the failure arrow."""

    name = "statemachine"

    step_node_graph_dict = {
        "statemachine": {
            "module_name_string": "step_node_statemachine",
            "node_step_name_string": "statemachine",
            "dg_node_attr_dict": {"label": "state machine", "shape": "box"},
            "first_node_step_bool": 1,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "step_arrow_graph_list_key_statemachine": {
            "module_name_string": "step_node_statemachine",
            "arrow_step_name_string": "statemachine",
            "dg_edge_attr_dict": {"label": "next state"},
            "active_arrow_step_bool": 1,
        },
        "step_arrow_graph_list_key_failure_path": {
            "module_name_string": "step_node_repair",
            "arrow_step_name_string": "repair",
            "dg_edge_attr_dict": {"label": "ERROR"},
            "active_arrow_step_bool": 1,
        },
        "next_step": {
            "module_name_string": "step_node_fetch",
            "arrow_step_name_string": "fetch",
            "dg_edge_attr_dict": {"label": "COMPLETE"},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {
        "statemachine": {
            "state_machine_mode": "INIT",
            "retry_count": 0,
            "max_retries": 3,
            "failure_rate": 0.5,
            "seed": 47,
            "pause_seconds": 0.4,
        },
    }

    step_node_results_dict_init = {"statemachine": {"step_results_key_last_status": ""}}

    def __init__(self, name: str, verbose_flag: bool = False) -> None:
        self.name = name
        self.verbose_flag = verbose_flag
        self.params_obj = octo_step_engine_parameters()
        self.default_dict = self.params_obj.get_default_param_dict()
        self.param_file = self.params_obj.get_default_param_file_name()
        self.lock_file = self.params_obj.get_default_param_lock_file_name()

    def step_entry(self) -> int:
        if self.verbose_flag:
            print(f"Step_Entry: {self.name}")
        return 0

    def step_execute(self) -> int:
        group = self.read()["statemachine"]
        mode = group["state_machine_mode"]
        if mode == "INIT":
            print("State: INIT - getting ready")
            self.update("state_machine_mode", "PROCESSING")
        elif mode == "PROCESSING":
            self.process(group)
        elif mode == "COMPLETE":
            print("State: COMPLETE - success")
        elif mode == "ERROR":
            print(f"State: ERROR - all {group['max_retries']} tries failed")
            return 1
        else:
            print(f"State: {mode!r} is none of INIT, PROCESSING, COMPLETE, ERROR")
            return 1
        self.update("step_results_key_last_status", mode)
        return 0

    def process(self, group: dict[str, Any]) -> None:
        """One try. What it changes is a function of the try's number, so a repeated call does no harm."""
        tries = group["retry_count"]
        if tries >= group["max_retries"]:
            print("State: PROCESSING - no try is left")
            self.update("state_machine_mode", "ERROR")
            return
        time.sleep(group["pause_seconds"])  # stands for the work
        repairs = self.read().get("ctx", {}).get("repairs", 0)  # after a repair the luck is another
        if roll(group["seed"], repairs, tries + 1) < group["failure_rate"]:
            print(f"State: PROCESSING - try {tries + 1} of {group['max_retries']} failed")
            self.update("retry_count", tries + 1)
        else:
            print(f"State: PROCESSING - try {tries + 1} of {group['max_retries']} went well")
            self.update("state_machine_mode", "COMPLETE")

    def step_exit(self) -> int:
        if self.verbose_flag:
            print(f"Step_Exit: {self.name}")
        return 0

    def step_advance(self) -> str:
        if self.read()["statemachine"]["step_results_key_last_status"] == "COMPLETE":
            return "next_step"
        return "step_arrow_graph_list_key_statemachine"  # stay: the next state is another visit of this node

    def read(self) -> dict[str, Any]:
        state: dict[str, Any] = self.params_obj.read_json_dict(
            self.default_dict, self.param_file, self.lock_file
        )
        return state

    def update(self, key: str, value: object) -> None:
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file, "statemachine", key, value
        )
