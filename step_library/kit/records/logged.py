"""The parameter `log` of steps: what they did in ctx["log"], how they failed in ctx["errors"] too.

    @scriptlet(params=[..., LOG])
    @logged(lambda ctx, params, result: f"{result['rows']} rows")
    def run(ctx, params): ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from octo.errors import AttemptEnded
from octo.param import Param
from step_library.kit.records.records import check_list, error, log
from step_library.kit.values.ctx_values import Ctx

LOG = Param("log", "bool", False, "tell of it in ctx['log'], and how it failed in ctx['errors'] too")
Run = Callable[[Ctx, dict[str, Any]], Any]


def logged(says: Callable[[Ctx, dict[str, Any], Any], str]) -> Callable[[Run], Run]:
    """A step that tells of each call, if its parameter `log` asks for it; `says` is what it did, in words.

    The entries have the step's name as `step`, and stay when the step is undone.
    """

    def made(run: Run) -> Run:
        step = run.__module__.rpartition(".")[2]

        @functools.wraps(run)
        def told(ctx: Ctx, params: dict[str, Any]) -> Any:
            if not params["log"]:
                return run(ctx, params)
            for key in ("log", "errors"):
                check_list(ctx, key)
            try:
                result = run(ctx, params)
            except Exception as raised:
                with suppress(AttemptEnded):  # it was too late: the step has been given up
                    log(ctx, f"failed: {raised}", "ERROR", step=step)
                    error(ctx, step, raised)
                raise
            log(ctx, says(ctx, params, result), step=step)
            return result

        return told

    return made
