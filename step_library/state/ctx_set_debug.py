"""The common debug flag of ctx switched on or off, for later steps to look at."""

from __future__ import annotations

from typing import Any

from octo.errors import ShapeError, nearest
from octo.scriptlet import Param, scriptlet
from step_library.kit.records.records import check_list, log
from step_library.kit.values.ctx_copies import one_change, table
from step_library.kit.values.ctx_values import Ctx

TRUE, FALSE = {"true", "1", "on", "yes"}, {"false", "0", "off", "no"}
LEVELS = {"trace": 5, "debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "critical": 50}
NAMES = {number: name.upper() for name, number in LEVELS.items() if name != "warn"}


@scriptlet(
    params=[
        Param("debug", "bool | int | str", True, "true, on, yes, 1, or false, off, no, 0, in any case; or a level by "
              "name or number: TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        Param("modules", "list[str] | null", None, "set the flag of these modules or steps in ctx['debug_modules'], "
              "and leave ctx['debug'] as it is"),
        Param("log", "bool", False, "tell of it in ctx['log']"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Set `ctx["debug"]` to true or false and return {debug: it}. A later step asks `ctx.get("debug")`.

    A level is kept by name in `ctx["debug_level"]`, and the flag is true for TRACE and DEBUG; true or false removes a
    level that was there. Raises ShapeError (a ValueError) for what is neither.
    """
    flag, level = _read(params["debug"])
    modules = params["modules"]
    if params["log"]:
        check_list(ctx, "log")
    with one_change(ctx):
        if modules is not None:
            table(ctx, "debug_modules")
            for module in modules:
                ctx.setdefault("debug_modules", {})[module] = flag
        else:
            ctx["debug"] = flag
            if level is not None:
                ctx["debug_level"] = level
            elif "debug_level" in ctx:
                del ctx["debug_level"]
        if params["log"]:
            of = f" for {', '.join(modules)}" if modules is not None else ""
            log(ctx, f"debug is {'on' if flag else 'off'}{of}", event="set_debug", value=flag)
    return {"debug": flag, **({"level": level} if level else {}), **({"modules": modules} if modules else {})}


def _read(given: bool | int | str) -> tuple[bool, str | None]:
    """The flag, and the level's name where one was meant."""
    if isinstance(given, bool):
        return given, None
    text = str(given).strip().lower()
    if text in TRUE or text in FALSE:
        return text in TRUE, None
    number = LEVELS.get(text, int(text) if text.isascii() and text.isdigit() else None)
    if number not in NAMES:
        known = [*TRUE, *FALSE, *LEVELS]
        words = "true, false, on, off, yes, no, 0, 1, or a level: " + ", ".join(f"{NAMES[n]} ({n})" for n in NAMES)
        raise ShapeError(f"debug: {given!r} is none of {words}{nearest(text, known)}")
    return number <= LEVELS["debug"], NAMES[number]


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_set_debug")
