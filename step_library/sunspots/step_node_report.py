"""Report: what was found, as Markdown and HTML with charts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from octo import StepNode
from step_library.kit.reports.reporting import write_report
from step_library.sunspots import findings


class step_node_report(StepNode):
    """Write Assets/report.md, .html and .svg from what is in ctx."""

    name = "report"

    step_node_graph_dict = {
        "report": {
            "module_name_string": "step_node_report",
            "node_step_name_string": "report",
            "dg_node_attr_dict": {"label": "report", "shape": "note"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict: dict[str, dict[str, object]] = {}

    def step_execute(self) -> int:
        made = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        paths = write_report(findings.report(self.ctx, made), Path("Assets"))
        self.ctx["report"] = paths
        print(f"main period: {self.ctx['period_years']} years")
        print(f"report: {Path(paths['html']).resolve()}")
        return 0
