from octo import StepNode


class step_node_judge(StepNode):
    """Fail if the parameter says so."""

    step_node_graph_dict = {"step_node_judge": {"active_node_step_bool": 1}}
    step_node_params_dict_init = {"step_node_judge": {"fail": False}}

    def step_execute(self):
        """Judge."""
        self.ctx["verdict"] = "good"
        if self.params["fail"]:
            raise ValueError("told to fail")
        print("judged")
        return 0
