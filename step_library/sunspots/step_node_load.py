"""Load: the record as it stands in the file."""

from __future__ import annotations

import csv
from pathlib import Path

from octo import StepNode


class step_node_load(StepNode):
    """Read the CSV into ctx["raw"]: year and number of each line, still as text."""

    name = "load"

    step_node_graph_dict = {
        "load": {
            "module_name_string": "step_node_load",
            "node_step_name_string": "load",
            "dg_node_attr_dict": {"label": "load", "shape": "box"},
            "first_node_step_bool": 1,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }

    step_arrow_graph_dict = {
        "loaded": {
            "module_name_string": "step_node_check",
            "arrow_step_name_string": "check",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }

    step_node_params_dict_init = {
        "load": {"file": "Data/sunspots.csv", "year_column": "YEAR", "number_column": "SUNACTIVITY"}
    }

    def step_execute(self) -> int:
        year, number = self.params["year_column"], self.params["number_column"]
        with Path(self.params["file"]).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = {year, number} - set(reader.fieldnames or [])
            if missing:
                raise ValueError(f"{self.params['file']}: no column {', '.join(sorted(missing))}")
            raw = [[row[year] or "", row[number] or ""] for row in reader]
        self.ctx["raw"] = raw
        print(f"{len(raw)} rows from {self.params['file']}")
        return 0
