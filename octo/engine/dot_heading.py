"""The heading of a picture: title, state, and what colours and arrows mean."""

from __future__ import annotations

from typing import Any

from octo.engine.dot_text import as_html

# Okabe and Ito's colours and tints of them: told apart with any colour vision, and by the words in grey.
FILL = {"done": "#cfe5f4", "current": "#f8ec6b", "failed": "#f7c5a8", "skipped": "#ecdfe8", "": "#ffffff"}
LINE = {"done": "#0072b2", "current": "#000000", "failed": "#d55e00", "skipped": "#a0527f", "": "#8c8c8c"}
# What only steps of a recipe can be. Left out and skipped are dashed as well, running and failed have thick lines.
FILL |= {"running": FILL["current"], "waiting": FILL[""], "left out": "#f2f2f2"}
LINE |= {"running": LINE["current"], "waiting": LINE[""], "left out": "#a0a0a0"}
FILL |= {"cached": "#c4ebdd", "stopped": "#d4d4d4"}
LINE |= {"cached": "#009e73", "stopped": "#4d4d4d"}
TEXT, FAINT, BREAK = "#1a1a1a", "#6b6b6b", "#a3123a"

BREAKPOINTS = ("&#9632; break at entry (above) or exit (below)", BREAK)
OF_ARROWS = {
    "met": ("&#9473;&#9473;&#9654; met", TEXT),
    "waits": ("&#9476;&#9476;&#9655; waits for", FAINT),
    "order": ("&#9472;&#9472;&#9654; order of the list, no dependency", FAINT),
    "reduced": ("(dependencies that follow from others are not drawn)", FAINT),
}


def heading(picture: dict[str, Any]) -> str:
    """Title and legend: one small table above the picture."""
    title, state = as_html(picture.get("title") or ""), as_html(picture.get("state") or "")
    head = f"<B>{title}</B>" if title else ""
    head += f"  {state}" if state else ""
    rows = [f'<TR><TD ALIGN="LEFT"><FONT POINT-SIZE="14">{head}</FONT></TD></TR>'] if head else []
    groups = _for_steps(picture) if picture.get("steps") else _for_nodes()
    for group in (*groups, ['<TD HEIGHT="6"></TD>']):
        rows.append(
            '<TR><TD ALIGN="LEFT"><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="4" CELLPADDING="0"><TR>'
            + "".join(group)
            + "</TR></TABLE></TD></TR>"
        )
    return '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">' + "".join(rows) + "</TABLE>>"


def _for_nodes() -> list[list[str]]:
    cells = [_box(s, t) for s, t in [("done", "done"), ("current", "current"), ("failed", "failed")]]
    cells += [_box("skipped", "skipped"), _box("", "not reached")]
    lines = [
        _note("&#9473;&#9473;&#9654; taken, n× = n times"),
        _note("&#9476;&#9476;&#9655; not taken", FAINT),
        _note(*BREAKPOINTS),
    ]
    return [cells, lines]


def _for_steps(picture: dict[str, Any]) -> list[list[str]]:
    nodes = picture["nodes"]
    words = ("waiting", "running", "done", "failed", "skipped", "left out", "cached", "stopped")
    groups = [[_box(word, word) for word in words]] if any(node["status"] for node in nodes) else []
    lines = [_note(*OF_ARROWS[kind]) for kind in OF_ARROWS if kind in picture["kinds"]]
    if any(node["entry"] or node["exit"] for node in nodes):
        lines.append(_note(*BREAKPOINTS))
    return [*groups, lines] if lines else groups


def _box(status: str, text: str) -> str:
    return (
        f'<TD BGCOLOR="{FILL[status]}" COLOR="{LINE[status]}" BORDER="1" CELLPADDING="2">'
        f'<FONT POINT-SIZE="9">&nbsp;{text}&nbsp;</FONT></TD>'
    )


def _note(text: str, colour: str = TEXT) -> str:
    return f'<TD><FONT POINT-SIZE="9" COLOR="{colour}">{text}</FONT></TD>'
