"""`docs/conformance.md`: of each documented step, the examples that hold and the wishes that are built."""

from __future__ import annotations

from typing import Any

from tests.conformance.examples import CALL_ONLY, ENTRIES, THEMES, left_out

HEAD = """# What the documents say, and what holds

The documents that Octo began with describe each step with examples, and with wishes for later. The examples are run by
`tests/conformance/test_steps.py`, each on a dict and on a `Context`, by both documented import paths; those that are
more than data (files, blocks, servers) have a test of their own. Of a call that is shown without its outcome the
parameters are checked. What is left out stands below, with the reason.

<!-- made by tools/write_pages.py from tests/conformance/data/steps -->
"""


def conformance_page() -> str:
    """The whole page, as Markdown."""
    rows = [_row(theme, entry) for theme, entries in THEMES.items() for entry in entries]
    total = ["", "**all**", *(f"**{sum(int(row[place]) for row in rows)}**" for place in range(2, 9))]
    head = ["theme", "step", "examples", "run", "own test", "call only", "left out", "wishes built", "wishes left"]
    lines = [_line(head), _line(["---", "---"] + ["--:"] * 7), *map(_line, rows), _line(total)]
    return "\n".join([HEAD, *lines, "", "## Examples that are left out", "", *_left(), "", "## Wishes", "", *_wishes()])


def _row(theme: str, entry: dict[str, Any]) -> list[str]:
    examples, wishes = entry["examples"], entry.get("wishes", {}).values()
    run = sum(not left_out(example) for example in examples)
    own = sum("by_hand" in example for example in examples)
    calls = sum(left_out(example) == CALL_ONLY for example in examples)
    built = sum("built" in wish for wish in wishes)
    counts = (len(examples), run, own, calls, len(examples) - run - own - calls, built, len(wishes) - built)
    return [theme, f"`{entry['id']}`", *map(str, counts)]


def _left() -> list[str]:
    """One line an example: which of the step's it is, and why it is not run."""
    return [f"- `{entry['id']}`, example {number}: {left_out(example)}"
            for entry in ENTRIES for number, example in enumerate(entry["examples"], 1)
            if left_out(example) not in ("", CALL_ONLY) and "by_hand" not in example]


def _wishes() -> list[str]:
    found = []
    for entry in ENTRIES:
        if not entry.get("wishes"):
            continue
        found += [f"### {entry['id']}", ""]
        for wish, said in entry["wishes"].items():
            how = f"built: {said['built']}" if "built" in said else f"left: {said['left']}"
            found.append(f"- {wish}: {how}")
        found.append("")
    return found or [""]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
