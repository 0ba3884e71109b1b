"""The step that the printed state machine takes for granted: it does nothing and ends the run."""


class step_node_next:
    name = "step_node_next"

    def step_execute(self):
        return 0

    def step_advance(self):
        return "COMPLETE"
