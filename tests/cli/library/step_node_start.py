from octo import StepNode


class step_node_start(StepNode):
    """Get ready to count."""

    step_node_graph_dict = {"step_node_start": {"first_node_step_bool": 1, "active_node_step_bool": 1}}
    step_arrow_graph_dict = {"begin": {"arrow_step_name_string": "step_node_count"}}

    def step_execute(self):
        """Begin at 0."""
        self.ctx["n"] = 0
        self.ctx["rows"] = []
        print("ready to count")
        return 0
