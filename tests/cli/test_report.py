"""`octo report`: what ran and what steps have kept of themselves, as tables, as a file, as JSON."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.store import ParameterStore

RECORDS = {
    "step_times": [
        {"step": "load", "start": 1e9, "end": 1e9 + 2, "duration": 2.0},
        {"step": "load", "start": 1e9, "end": 1e9 + 4, "duration": 4.0, "error": "no"},
        {"step": "fast", "duration": 0.5}, {"step": "no duration"}, "no record at all",
    ],
    "profile": [{"step": "load", "duration": 1.0, "mem_delta": -2048, "shared": True}],
    "trace": [
        {"timestamp": 1e9, "step": "load", "info": "rows <b>read</b>", "kind": "event", "level": "INFO"},
        {"timestamp": 1e9, "step": "peaks", "duration": 1.5, "mem_peak": 5 << 20, "kind": "step"},
        {"timestamp": "2025-01-31 23:59:59", "step": "other"},
    ],
    "resources": [
        {"step": "load", "duration": 1.0, "cpu_end": 100.0, "mem_end": 3 << 20, "mem_delta": 1 << 20},
        {"step": "load", "duration": 3.0, "cpu_end": 20.0, "mem_end": 2 << 20, "mem_delta": 1 << 20},
    ],
    "audit": [{"step": f"s{number}", "status": "success", "start": number, "duration": 1} for number in range(60)]
    + [{"step": "bad", "status": "error", "start": "2025-01-31 23:59:59", "error": "a | b\nc", "duration": "long"}],
    "errors": [{"step": "bad", "timestamp": "2025-01-31 23:59:59", "error": "boom", "traceback": "…"}],
}


@pytest.fixture
def told(octo: Any, write: Any) -> str:
    """An instance of a run that failed, with records of every kind in ctx."""
    octo("run", write("name: load, function: 'M:load'", "name: never, function: 'M:load', when: 'false'",
                      "name: each, function: 'M:square', params: {item: '{{ item }}'}, for_each: [1, 2, 3]",
                      "name: fit, function: 'M:fail'"), code=1)
    Context.open("demo.octo", who="anna").update(RECORDS)
    return "demo.octo"


def blocks(text: str) -> dict[str, list[str]]:
    """The lines of each table by its title."""
    return {block.split("\n")[0]: block.rstrip("\n").split("\n")[1:] for block in text.split("\n\n")}


def test_all_that_there_is_as_tables(octo: Any, told: str) -> None:
    found = blocks(octo("report", told).out)
    assert "COMPLETE_ERROR" in found
    assert list(found)[1:] == ["Steps", "Timings", "Memory of Python", "Resources of the process", "Audit", "Trace",
                               "Errors"]
    steps = {line.split()[0]: " ".join(line.split()[1:]) for line in found["Steps"]}
    assert steps["fit"].startswith("FAILED 1 ") and steps["fit"].endswith("ValueError: no data")
    assert steps["never"].startswith("SKIPPED when:") and steps["each"].endswith("3 DONE")
    assert found["Timings"][1].split() == "load 2 6.00 s 3.00 s 2.00 s 4.00 s 1".split()
    assert found["Timings"][2].split()[0] == "fast" and len(found["Timings"]) == 3
    memory = [" ".join(line.split()) for line in found["Memory of Python"]]
    assert memory[0] == "What is marked with * was measured while others ran at the same time."
    assert memory[2] == "load* 1 1.00 s 1.00 s -2 KiB ctx['profile']"
    assert memory[3] == "peaks 1 1.50 s 1.50 s 5 MiB ctx['trace']"
    assert found["Resources of the process"][1].split() == "load 2 4.00 s 2.00 s 40 % 3 MiB +2 MiB".split()
    assert found["Audit"][0] == "The newest 50 of 61." and len(found["Audit"]) == 52
    assert re.search(r"bad +error +2025-01-31 23:59:59 +long +a \| b\\nc", found["Audit"][-1])
    assert found["Trace"][1].split()[2:] == ["INFO", "load", "rows", "<b>read</b>"]
    assert found["Errors"][1].split() == ["2025-01-31", "23:59:59", "bad", "boom"]
    assert len(blocks(octo("report", told, "--limit", "0").out)["Audit"]) == 62


def test_as_json(octo: Any, told: str) -> None:
    found = octo("report", told, "--json").json
    assert found["state"] == "COMPLETE_ERROR" and found["steps"]["each"]["items"] == {"DONE": 3}
    assert found["timings"][0] | {"count": 2, "total": 6.0, "errors": 1} == found["timings"][0]
    assert len(found["audit"]) == 50 and found["audit"][-1] == RECORDS["audit"][-1]
    assert len(octo("report", told, "--json", "--limit", 0).json["audit"]) == 61
    assert found["resources"][0]["cpu"] == 40.0
    assert found["errors"] == RECORDS["errors"]


class Tags(HTMLParser):
    """Every tag that is opened is closed again."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_as_one_page(octo: Any, told: str) -> None:
    assert octo("report", told, "-o", "out/r.html").out == "out/r.html\n"
    page = Path("out/r.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert not tags.open and tags.seen.count("table") == 7 and "b" not in tags.seen
    assert "rows &lt;b&gt;read&lt;/b&gt;" in page and "ValueError: no data" in page
    assert not re.search(r"\b(src|href)=|@import|https?:", page)  # it needs no other file


def test_as_markdown(octo: Any, told: str) -> None:
    assert octo("report", told, "-o", "r.md", "--json").json == {"report": "r.md"}
    text = Path("r.md").read_text(encoding="utf-8")
    assert text.startswith("# Report on demo.octo\n\n**COMPLETE_ERROR**\n")
    assert "| load | 2 | 6.00 s | 3.00 s | 2.00 s | 4.00 s | 1 |" in text.replace("**", "")
    assert "rows &lt;b&gt;read&lt;/b&gt;" in text
    assert "| **bad** | **error** | **2025-01-31 23:59:59** | **long** | **a \\| b<br>c** |" in text


def test_of_a_step_library(octo: Any, it: str) -> None:
    assert "It has not run" in octo("report", it).out
    octo("run", it)
    lines = {line.split()[0]: line.split() for line in blocks(octo("report", it).out)["Nodes"]}
    visits = octo("status", it, "--json").json["nodes"]
    assert {name: int(line[1]) for name, line in lines.items() if name != "node"} == {
        name: node["visits"] for name, node in visits.items()}
    nodes = octo("report", it, "--json").json["nodes"]
    assert all(node["first"] <= node["last"] for node in nodes.values())
    octo("reset", it)
    octo("run", it)
    assert octo("report", it, "--json").json["nodes"]["step_node_start"]["first"] > nodes["step_node_start"]["last"]


def test_a_run_whose_engine_is_gone(octo: Any, it: str) -> None:
    octo("run", it)
    ParameterStore(it).set("global_parameters", "step_engine_state", "RUNNING")
    assert octo("report", it).out.startswith("interrupted\n")


def test_lists_that_are_none_and_strange_entries(octo: Any, it: str) -> None:
    Context.open(it, who="anna").update({
        "audit": "no list", "trace": [1, None, {"timestamp": 1e300, "info": {"a": 1}}],
        "step_times": [{"duration": True, "step": 1}, {"duration": 1, "step": None}], "errors": [{}]})
    found = blocks(octo("report", it).out)
    assert "Audit" not in found and "1e+300" in found["Trace"][1] and len(found["Timings"]) == 2


def test_mistakes(octo: Any, told: str) -> None:
    found = octo("report", told, "-o", "r.pdf", code=2)
    assert "r.pdf: a report cannot be written as .pdf; known: .html, .md" in found.err
    assert found.next == ["octo report demo.octo -o report.html"]
    Path("file").touch()
    assert octo("report", told, "-o", "file/r.html", code=2).err.startswith("octo: file/r.html cannot be written: ")
    assert "which instance?" in octo("report", code=2).err
    assert "there is no directory nix" in octo("report", "nix", code=2).err
    assert "did you mean demo.octo?" in octo("report", "demo.yaml", code=2).err
