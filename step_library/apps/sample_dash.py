"""A page in the browser that asks for one item, and keeps the choice in ctx for the steps behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from octo.context import Context
from octo.errors import OctoError, ShapeError, StepFailed, StepTimeout, UsageError
from octo.scriptlet import Param, scriptlet
from step_library.kit.apps import pages, ports, serving
from step_library.kit.apps.followed_ctx import followed, in_a_run
from step_library.kit.apps.rows_shown import ctx_text
from step_library.kit.records import records
from step_library.kit.values.ctx_copies import one_change
from step_library.kit.values.ctx_values import Ctx, described, plain_list
from step_library.observe import ctx_debug_dump, ctx_logger

NAME = "sample_dash"
KEY = "user_selection"
OUT = "Logs/ctx_after_selection.json"
ITEMS = [{"label": f"Item {number}", "value": number} for number in range(5)]


@scriptlet(
    params=[
        Param("port", "int", 8050, "where it listens; 0 is any free port"),
        Param("host", "str", "127.0.0.1", "the address to listen on; 0.0.0.0 lets everybody in who knows the password"),
        Param("password", "str | null", None, "what the browser asks for, from the environment: ${NAME}; any user "
              "name will do"),
        Param("free_port", "bool", False, "take the next free port where that one is taken"),
        Param("items", "list | str | null", None, "what there is to choose: values, or {label, value}, or a key of ctx "
              "with such a list; without it Item 0 to Item 4, with the values 0 to 4"),
        Param("multi", "bool", False, "several may be chosen; the selection is a list then"),
        Param("key", "str", KEY, "key of ctx for the selection"),
        Param("out", "path", OUT, "all of ctx is written there after each selection"),
        Param("title", "str", "Choose an item", "what the page asks"),
        Param("seconds", "number", serving.DAY, "how long it waits for a selection at most"),
        Param("refresh", "number", 1.0, "seconds between two looks at ctx, which the page shows below"),
        Param("theme", "str", "light", "the colours of the page", choices=pages.THEMES),
        Param("instance", "path | null", None, "put the selection into the ctx of this instance"),
        Param("background", "bool", False, "return at once and serve as long as the program (in a recipe: write it "
              "beside params, and it serves as long as the run)"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Serve the page until a selection is saved: `ctx["user_selection"]`, an entry in `ctx["log"]`, the file `out`.

    As a background step it serves as long as the run, and takes each selection. `main` is the same function. Returns
    `{selected: key, served: url, ended: selection}`. Raises StepTimeout after `seconds` without one, StepFailed when
    the run is stopped before, UsageError where the port is taken.
    """
    if params["refresh"] <= 0 or params["seconds"] < 0:
        raise UsageError("refresh is more than 0, seconds not below 0")
    if params["background"] and in_a_run(ctx):
        raise UsageError("background: in a recipe it stands beside params, not in them")
    is_asked_once = not (params["background"] or (isinstance(ctx, Context) and ctx.in_background))
    source = followed(ctx, NAME, params["instance"], writes=True)
    saved = threading.Event()
    app = create_app(source.ctx, params, (lambda: serving.when_answered(saved)) if is_asked_once else lambda: None)
    listening = ports.listen(params["host"], params["port"], params["free_port"])
    stop = ctx.stop if isinstance(ctx, Context) and ctx.in_a_run else None
    found = serving.serve(app, listening, params, ended=saved, stop=stop)
    if not is_asked_once:
        return found
    if found["ended"] == "seconds":
        raise StepTimeout(f"nothing was selected at {found['served']} within {params['seconds']:g} s")
    if found["ended"] == "stopped":
        raise StepFailed(f"stopped before anything was selected at {found['served']}")
    return {"selected": params["key"], **found, "ended": "selection"}


main = run


def save_selection(ctx: Ctx, n_clicks: int, selected_value: Any, key: str = KEY, out: str = OUT) -> str:
    """What the button does: keep the value, log it, write ctx to a file; what the page says then.

    Nothing before the first click. Raises ShapeError where `ctx["log"]` is no list. A file that cannot be written is
    told, in `ctx["log"]` too; the selection is kept all the same.
    """
    if not n_clicks:
        return ""
    records.check_list(ctx, "log")
    with one_change(ctx):
        ctx[key] = selected_value
        ctx_logger.run(ctx, {"msg": f"User selected {selected_value}", "level": "INFO"})
    said = f"Selection {selected_value} saved to ctx!"
    try:
        ctx_debug_dump.run(ctx, {"out": out})
    except (OctoError, OSError) as error:
        problem = f"{out} could not be written: {error}"
        ctx_logger.run(ctx, {"msg": problem, "level": "ERROR"})
        return f"{said} But {problem}"
    return said


def create_app(ctx: Ctx, params: dict[str, Any], on_saved: Callable[[], None] = lambda: None) -> Any:
    """The page for any ctx; `on_saved` is called, within the request, when a selection is kept."""
    dash = serving.dash_or_hint()
    dcc, html, Input, Output, State = dash.dcc, dash.html, dash.Input, dash.Output, dash.State
    items = _items(ctx, params["items"])
    values = [item["value"] for item in items]
    app = pages.new_app(NAME, params["title"], {"key": params["key"]}, params["host"], params["theme"])
    app.layout = html.Div([
        dcc.Interval(id="poll", interval=int(params["refresh"] * 1000)),
        pages.head(params["title"], f"for ctx['{params['key']}']"),
        html.Div(id="problem", className="alert"),
        html.Div([
            html.Div([
                html.Div(dcc.Dropdown(items, [] if params["multi"] else values[0], id="item-dropdown",
                                      multi=params["multi"], clearable=params["multi"]), className="wide"),
                html.Button("Save Selection", id="save-btn", n_clicks=0, className="act main"),
            ], className="controls"),
            html.Div(id="save-status", className="good"),
        ], className="card"),
        html.Div([pages.card("ctx", html.Pre(ctx_text(ctx), id="ctx", className="scroll"))], className="cards"),
    ], className="octo")

    @app.callback(Output("save-status", "children"), Output("problem", "children"),
                  Output("ctx", "children", allow_duplicate=True), Input("save-btn", "n_clicks"),
                  State("item-dropdown", "value"), prevent_initial_call=True)
    def save(n_clicks: int, selected: Any) -> tuple[str, str, str]:
        chosen = selected if params["multi"] else [selected]
        if not chosen or any(value not in values for value in chosen):
            return "", "Choose an item first.", ctx_text(ctx)
        try:
            said = save_selection(ctx, n_clicks, selected, params["key"], params["out"])
        except OctoError as error:
            return "", f"Not saved: {error}", ctx_text(ctx)
        on_saved()
        return said, "", ctx_text(ctx)

    @app.callback(Output("ctx", "children"), Input("poll", "n_intervals"), State("ctx", "children"))
    def look(_: int, before: str) -> Any:
        text = ctx_text(ctx)
        return dash.no_update if text == before else text

    return app


def _items(ctx: Ctx, given: list[Any] | str | None) -> Sequence[dict[str, Any]]:
    """What there is to choose, each with its label."""
    found = plain_list(ctx, given) if isinstance(given, str) else ITEMS if given is None else given
    items = []
    for number, item in enumerate(found):
        one = dict(item) if isinstance(item, Mapping) else {"label": str(item), "value": item}
        if set(one) != {"label", "value"} or not isinstance(one["value"], (str, int, float)):
            raise ShapeError(f"items: item {number} is to be text, a number or {{label, value}}, not {described(item)}")
        items.append(one)
    if not items:
        raise ShapeError("items: there is nothing to choose")
    return items


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("sample_dash")
