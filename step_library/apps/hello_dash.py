"""A live page in the browser: columns of a table in ctx as a plot, its newest rows, and all of ctx as text."""

from __future__ import annotations

import json
import random
import threading
import zlib
from datetime import datetime
from typing import Any

from octo.context import Context
from octo.errors import OctoError, UsageError
from octo.scriptlet import Param, scriptlet
from step_library.kit.apps import pages, plots, ports, serving
from step_library.kit.apps.followed_ctx import Followed, followed, in_a_run, is_typed
from step_library.kit.apps.rows_shown import RowsShown, ctx_text, rows_shown, tables_in
from step_library.kit.formats.csv_text import Style, Table, pieces
from step_library.kit.values.ctx_values import Ctx

NAME = "hello_dash"
TITLE = "Shared ctx Dash Monitor"
CHOSEN = 6
"""Columns that are plotted before anybody has chosen some."""


@scriptlet(
    params=[
        Param("port", "int", 8050, "where it listens; 0 is any free port"),
        Param("ctx_key", "str", "new_row", "key of ctx with the rows; the page can switch to another", ("key",)),
        Param("host", "str", "127.0.0.1", "the address to listen on; 0.0.0.0 lets everybody in who knows the password"),
        Param("password", "str | null", None, "what the browser asks for, from the environment: ${NAME}; any user "
              "name will do"),
        Param("free_port", "bool", False, "take the next free port where that one is taken"),
        Param("seconds", "number", serving.DAY, "how long it serves at most"),
        Param("columns", "list[str] | null", None, "names of all columns, or of all but the first, for rows that are "
              "lists"),
        Param("x", "str | null", None, "name of the column for the x axis; without it the first"),
        Param("kind", "str", "line", "how it is drawn at first", choices=plots.KINDS),
        Param("thresholds", "list[number]", [], "limits, drawn as lines across the plot"),
        Param("refresh", "number", 1.0, "seconds between two looks at ctx"),
        Param("rows", "int", 10, "how many of the newest rows stand in the table"),
        Param("max_points", "int", 2000, "of more rows than this every so many-th is drawn, the newest always"),
        Param("theme", "str", "light", "the colours of the page", choices=pages.THEMES),
        Param("instance", "path | null", None, "follow the ctx of this instance, in place of the step's own"),
        Param("demo", "bool | null", None, "add a row of random numbers each second; without it: on a command line "
              "where there is nothing else to show"),
        Param("background", "bool", False, "return at once and serve as long as the program (in a recipe: write it "
              "beside params, and it serves as long as the run)"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Serve the page until its Done button, `seconds`, Ctrl-C or the end of the run.

    Rows are lists `[time, number, …]`, dicts, or single numbers; what is not there or odd is told in the page. In a
    run, or started by one of its steps (in a screen session too), it follows the run's live ctx. Where the same
    dashboard is on that port already, it is not served twice: the step waits until that one has ended. Returns
    `{served: url, ended: done, seconds or stopped}`. Raises UsageError where another program has the port.
    """
    if params["refresh"] <= 0 or params["rows"] < 1 or params["max_points"] < 2 or params["seconds"] < 0:
        raise UsageError("refresh and rows are more than 0, max_points more than 1, seconds not below 0")
    if params["background"] and in_a_run(ctx):
        raise UsageError("background: in a recipe it stands beside params, not in them")
    source = followed(ctx, NAME, params["instance"])
    makes_up = is_typed(ctx) and not ctx and source.instance is None if params["demo"] is None else params["demo"]
    ended, stop = threading.Event(), ctx.stop if isinstance(ctx, Context) and ctx.in_a_run else None
    app = create_app(source, params, ended)
    facts = {"app": NAME, **_facts(source, params)}
    listening = ports.claim(facts, params["host"], params["port"], params["free_port"])
    if listening is None:
        return serving.wait_for_other(NAME, params["host"], params["port"], stop=stop, seconds=params["seconds"])
    if makes_up:
        threading.Thread(target=_make_up_rows, args=(source.ctx, params["ctx_key"], ended), daemon=True).start()
    try:
        return serving.serve(app, listening, params, ended=ended, stop=stop)
    finally:
        if not params["background"]:
            ended.set()


def create_app(source: Followed, params: dict[str, Any], ended: threading.Event) -> Any:
    """The page for a ctx; it sets `ended` when its Done button is pressed."""
    dash = serving.dash_or_hint()
    dcc, html, Input, Output = dash.dcc, dash.html, dash.Input, dash.Output
    first = params["ctx_key"]
    app = pages.new_app(NAME, TITLE, _facts(source, params), params["host"], params["theme"])
    app.layout = html.Div([
        dcc.Interval(id="poll", interval=max(10, int(params["refresh"] * 1000))),
        dcc.Store(id="seen"),
        dcc.Download(id="file"),
        pages.head(TITLE, source.label, *pages.done_button(app, ended)),
        html.Div(id="errors", className="alert"),
        html.Div([
            html.Div([
                html.Div(["key of ctx", dcc.Dropdown([first], first, id="key", clearable=False)], className="wide"),
                html.Div(["columns", dcc.Dropdown(id="columns", multi=True)], className="wide"),
                html.Div(["plot", dcc.RadioItems(list(plots.KINDS), params["kind"], id="kind", inline=True)]),
                html.Button("Download CSV", id="download", n_clicks=0, className="act"),
            ], className="controls"),
            html.Div(id="problem", className="soft"),
            dcc.Graph(id="plot", config={"displaylogo": False, "modeBarButtons": plots.BUTTONS}),
        ], className="card"),
        html.Div([
            pages.card("Newest rows", html.Div(id="table", className="scroll")),
            pages.card("ctx", html.Pre(id="ctx", className="scroll")),
        ], className="cards"),
    ], className="octo")

    @app.callback(
        [Output("key", "options"), Output("columns", "options"), Output("columns", "value"),
         Output("problem", "children"), Output("plot", "figure"), Output("table", "children"),
         Output("ctx", "children"), Output("errors", "children"), Output("seen", "data")],
        [Input("poll", "n_intervals"), Input("key", "value"), Input("columns", "value"), Input("kind", "value")],
        [dash.State("columns", "options"), dash.State("seen", "data")],
    )
    def look(_: int, key: str, chosen: list[str] | None, kind: str, known: list[str] | None, seen: Any) -> Any:
        try:
            shown = rows_shown(source.ctx, key, params["columns"], most=params["max_points"])
            newest = rows_shown(source.ctx, key, params["columns"], last=params["rows"])
            keys, text, error = sorted({*tables_in(source.ctx), key}), ctx_text(source.ctx), _newest_error(source.ctx)
        except OctoError as problem:  # such as an instance that was removed
            return [*[dash.no_update] * 3, f"ctx cannot be read: {problem}", *[dash.no_update] * 5]
        shown, newest = shown.beginning_with(params["x"]), newest.beginning_with(params["x"])
        columns, before = shown.columns[1:], seen or {}
        if columns != known:  # all that can be drawn, until somebody has chosen some of this table's
            kept = [name for name in chosen or () if name in columns and before.get("key") == key]
            chosen = kept or [name for name in columns if _can_be_drawn(shown, name)][:CHOSEN]
        all_of_it = [keys, vars(shown), vars(newest), chosen, kind, key, text, error]
        now = {"key": key, "state": zlib.crc32(json.dumps(all_of_it, default=str).encode())}
        if now == before:
            return [dash.no_update] * 9
        drawn = plots.figure(shown, chosen or [], kind, params["thresholds"], params["theme"], view=key)
        return [keys, columns, chosen, _said(shown, key), drawn, pages.table(newest.columns, newest.rows[::-1]), text,
                error, now]

    @app.callback(Output("file", "data"), Input("download", "n_clicks"), dash.State("key", "value"),
                  prevent_initial_call=True)
    def download(_: int, key: str) -> Any:
        return dcc.send_string(_as_csv(source.ctx, key, params["columns"]), f"{key}.csv")

    return app


def _facts(source: Followed, params: dict[str, Any]) -> dict[str, Any]:
    """What makes a dashboard the same as another."""
    return {"ctx_key": params["ctx_key"], "instance": str(source.instance) if source.instance else None}


def _can_be_drawn(shown: RowsShown, name: str) -> bool:
    return any(cell is not None for cell in shown.numbers(shown.columns.index(name)))


def _said(shown: RowsShown, key: str) -> str:
    """A line below the controls: how many rows there are, and what is odd."""
    if shown.problem and not shown.rows:
        return shown.problem
    drawn = f", every {-(-shown.count // len(shown.rows))}th drawn" if len(shown.rows) < shown.count / 1.5 else ""
    return f"{shown.count:,} rows in ctx[{key!r}]{drawn}" + (f"; {shown.problem}" if shown.problem else "")


def _newest_error(ctx: Ctx) -> str:
    """What ctx["errors"] holds last."""
    found = rows_shown(ctx, "errors", last=1)
    entry = dict(zip(found.columns, found.rows[-1], strict=False)) if found.rows else {}
    return f"{found.count:,} in ctx['errors'], the newest: {entry.get('step')}: {entry.get('error')}" if entry else ""


def _as_csv(ctx: Ctx, key: str, columns: list[str] | None) -> str:
    shown = rows_shown(ctx, key, columns)
    names = None if all(name.isdigit() for name in shown.columns) else shown.columns
    return b"".join(pieces(Table(shown.rows, names), f"ctx[{key!r}]", Style())).decode()


def _make_up_rows(ctx: Ctx, key: str, ended: threading.Event) -> None:
    """A row `[time, number, number, number]` each second, for a look at the page without a run."""
    while True:
        row = [datetime.now().isoformat(timespec="milliseconds"), *(round(random.random(), 4) for _ in range(3))]
        if isinstance(ctx, Context):
            ctx.append(key, row)
        else:
            ctx.setdefault(key, []).append(row)
        if ended.wait(1.0):
            return


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("hello_dash")
