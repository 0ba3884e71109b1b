import time

from octo import StepNode


class step_node_count(StepNode):
    """Count one up, as often as the parameter says."""

    step_node_graph_dict = {"step_node_count": {"active_node_step_bool": 1}}
    step_arrow_graph_dict = {
        "again": {"arrow_step_name_string": "step_node_count"},
        "counted": {"arrow_step_name_string": "step_node_judge"},
    }
    step_node_params_dict_init = {"step_node_count": {"rounds": 3, "seconds": 0.0, "say": ""}}

    def step_execute(self):
        """Add 1 and a row."""
        self.ctx["n"] += 1
        self.ctx["rows"].append({"n": self.ctx["n"]})
        if self.params["say"]:
            print(self.params["say"], end="", flush=True)
        time.sleep(self.params["seconds"])
        return 0

    def step_advance(self):
        """Again until the rounds are done."""
        return "again" if self.ctx["n"] < self.params["rounds"] else "counted"
