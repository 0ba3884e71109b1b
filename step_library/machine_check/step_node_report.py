"""Report: the samples as CSV, the findings as Markdown and HTML with a chart."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from octo import StepNode
from step_library.kit.reports.reporting import write_report, write_rows
from step_library.machine_check import findings


class step_node_report(StepNode):
    """Write Data/machine_check.csv and Assets/report.md, .html and .svg from what is in ctx."""

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
        state = {key: self.ctx[key] for key in ("machine", "rows", "checks", "verdict", "try")}
        state["diagnosis"] = self.ctx.get("diagnosis")
        made = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        table = Path("Data") / "machine_check.csv"
        write_rows(table, [dict(row) for row in self.ctx["rows"]])
        paths = write_report(findings.report(state, made), Path("Assets"))
        self.ctx["report"] = {**paths, "csv": table.as_posix()}
        print(f"verdict: {self.ctx['verdict']}")
        print(f"report:  {Path(paths['html']).resolve()}")
        return 0
