"""Several tables of ctx as an Excel file with charts; what is not in ctx is left out, and named in the result."""

from __future__ import annotations

from typing import Any

from octo.errors import MissingKey
from octo.scriptlet import Param, scriptlet
from step_library.files.ctx_excel import PARAMS, excel, pairs_of, says
from step_library.kit.records.logged import logged
from step_library.kit.values.ctx_values import Ctx


@scriptlet(params=[*PARAMS, Param("strict", "bool", False, "a key that is not in ctx is an error")])
@logged(says)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write as ctx_excel does: {"written": out, "sheets": names, "charts": how many, "skipped": keys not in ctx}.

    The sheet of a key that ctx lacks is left out, and its charts. Raises MissingKey where nothing is left, or, with
    strict, for all keys that are missing; else what ctx_excel raises.
    """
    lacking = [key for key in pairs_of(params["sheets"]) if key not in ctx]
    if params["strict"] and lacking:
        raise MissingKey(f"ctx has no {', '.join(map(repr, lacking))} (parameter sheets, strict)")
    skipped: list[str] = []
    result = excel(ctx, params, skipped.append)
    return {**result, "skipped": skipped}


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_excel_advanced")
