"""What the pages of dashboards have in common: the app without anything from the internet, head, cards, colours."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from step_library.kit.apps.ports import WHO
from step_library.kit.apps.serving import dash_or_hint, introduce, when_answered

THEMES = ("light", "dark")
_STYLE = """
:root { --page: #f4f6f9; --card: #ffffff; --ink: #1c2733; --soft: #5b6b7c; --line: #dde3ea; --accent: #0f62ac;
        --bad: #b3261e; --bad-page: #fdecea; --good: #1a7f4b; }
.dark { --page: #12171d; --card: #1b232c; --ink: #e6edf3; --soft: #9fb0c0; --line: #303b47; --accent: #5aa9f0;
        --bad: #ff9d94; --bad-page: #3b1f1e; --good: #56c98d;
        --Dash-Fill-Inverse-Strong: #1b232c; --Dash-Fill-Interactive-Strong: #5aa9f0; --Dash-Text-Primary: #e6edf3;
        --Dash-Text-Strong: #e6edf3; --Dash-Text-Weak: #9fb0c0; --Dash-Stroke-Strong: #4a5866;
        --Dash-Stroke-Weak: #303b47; --Dash-Fill-Primary-Hover: #263240; --Dash-Fill-Primary-Active: #303b47;
        color-scheme: dark; }
:root { --Dash-Fill-Interactive-Strong: #0f62ac; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); }
.octo { min-height: 100vh; background: var(--page); color: var(--ink); padding: 20px 28px 32px;
        font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
.octo h1 { font-size: 22px; margin: 0; } .octo h2 { font-size: 15px; margin: 0 0 10px; }
.octo .head { display: flex; align-items: baseline; gap: 14px; flex-wrap: wrap; margin-bottom: 16px; }
.octo .soft { color: var(--soft); font-size: 13.5px; } .octo .push { margin-left: auto; }
.octo .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; }
.octo .cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr));
        margin-top: 16px; }
.octo .controls { display: flex; gap: 18px; align-items: flex-end; flex-wrap: wrap; margin-bottom: 8px; }
.octo .controls > div { display: flex; flex-direction: column; gap: 4px; }
.octo .wide { min-width: 260px; flex: 1; }
.octo button.act { font: inherit; padding: 8px 16px; border-radius: 7px; border: 1px solid var(--accent);
        background: transparent; color: var(--accent); cursor: pointer; }
.octo button.main { background: var(--accent); color: var(--card); font-weight: 600; }
.octo button.act:disabled { opacity: .45; cursor: default; }
.octo table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
.octo th, .octo td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line);
        white-space: nowrap; }
.octo th:first-child, .octo td:first-child { text-align: left; } .octo th { color: var(--soft); font-weight: 600; }
.octo .scroll { overflow: auto; max-height: 360px; }
.octo pre { margin: 0; font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", "Liberation Mono", monospace;
        white-space: pre-wrap; overflow-wrap: anywhere; }
.octo .alert { background: var(--bad-page); color: var(--bad); border: 1px solid var(--bad); border-radius: 8px;
        padding: 9px 14px; margin-bottom: 12px; white-space: pre-wrap; }
.octo .alert:empty, .octo .good:empty { display: none; } .octo .good { color: var(--good); font-weight: 600; }
#octo-gone { display: none; position: fixed; inset: 0 0 auto 0; background: #1c2733; color: #fff; padding: 10px 28px;
        font: 600 15px/1.4 system-ui, "Liberation Sans", sans-serif; z-index: 9; }
.octo-ended #octo-gone { display: block; } .octo-ended .octo { padding-top: 60px; }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en"><head>{%metas%}<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title><link rel="icon" href="data:,">{%css%}<style>__STYLE__</style></head>
<body class="__THEME__">
<div id="octo-gone">This dashboard has ended: what stands here is its last state.</div>{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
<script>
setInterval(async () => {
  const there = await fetch("__WHO__").then((answer) => answer.ok, () => false);
  document.body.classList.toggle("octo-ended", !there);
}, 2000);
</script></body></html>"""


def new_app(name: str, title: str, facts: Mapping[str, Any], host: str, theme: str = "light") -> Any:
    """A Dash app that loads nothing but from itself."""
    page = _PAGE.replace("__STYLE__", _STYLE).replace("__WHO__", WHO).replace("__THEME__", theme)
    app = dash_or_hint().Dash(name, title=title, update_title="", serve_locally=True, index_string=page,
                              assets_folder="", include_assets_files=False, add_log_handler=False)
    introduce(app, {"app": name, **facts}, host)
    return app


def head(title: str, about: str, *right: Any) -> Any:
    """The top of a page."""
    html = dash_or_hint().html
    return html.Div([html.H1(title), html.Span(about, className="soft"), html.Div(list(right), className="push")],
                    className="head")


def card(title: str, *inside: Any) -> Any:
    """A part of a page, with its heading."""
    html = dash_or_hint().html
    return html.Div([html.H2(title), *inside], className="card")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """Rows as HTML."""
    html = dash_or_hint().html
    if not columns:
        return html.Div("no rows yet", className="soft")
    lines = [html.Tr([html.Td(_cell(cell)) for cell in row]) for row in rows]
    return html.Table([html.Thead(html.Tr([html.Th(name) for name in columns])), html.Tbody(lines)])


def _cell(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return "" if cell is None else str(cell)


def done_button(app: Any, ended: threading.Event) -> Any:
    """A button that ends the dashboard; the page's own `poll` stops asking then."""
    dash = dash_or_hint()

    @app.callback(dash.Output("done", "disabled"), dash.Output("poll", "disabled"),
                  dash.Output("done-said", "children"), dash.Input("done", "n_clicks"), prevent_initial_call=True)
    def _(_clicks: int) -> tuple[bool, bool, str]:
        when_answered(ended)
        return True, True, "Done: this page may be closed. "

    return [dash.html.Span(id="done-said", className="good"),
            dash.html.Button("Done", id="done", n_clicks=0, className="act main")]
