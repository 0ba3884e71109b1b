"""Whether the functions that a recipe names are there and take what they are given; this imports them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from octo.errors import OctoError
from octo.recipe.shape import Notes
from octo.recipe.step_values import Use
from octo.recipe.template import has_template
from octo.recipe.template_check import check_params


def check_targets(uses: Sequence[Use], path: list[str], notes: Notes) -> None:
    """Resolve each distinct target once, with `path` in front of what Python has, and check every use of it."""
    from octo.resolve import on_path, resolve
    from octo.scriptlet import mistakes

    with on_path(path):
        found: dict[str, Any] = {}
        failed: dict[str, str] = {}
        for use in uses:
            target = use.step.target
            if target not in found and target not in failed:
                try:
                    found[target] = resolve(target)
                except OctoError as error:
                    failed[target] = error.message
                except (Exception, SystemExit) as error:  # a module may do anything while it is imported
                    reason = " ".join(str(error).split())
                    failed[target] = f"{target} cannot be imported: {type(error).__name__}: {reason}"
            if target in failed:
                notes.add(use.line, f"{use.where}{failed[target]}")
                check_params(use, notes, None)
                continue
            check_params(use, notes, _types(found[target]))
            params, positional = use.step.params, use.step.positional
            templated = [key for key, value in (params or {}).items() if has_template(value)]
            for message in mistakes(found[target], params=params, args=positional, templated=templated):
                notes.add(_line(use, message), f"{use.where}{message}")


def _types(target: Any) -> dict[str, str]:
    """Which parameters are templates that the function renders, under all their names."""
    from octo.scriptlet import params_of

    declared = params_of(target) or ()
    kinds = {each.name: "template" if "template" in str(each.type) else "" for each in declared}
    return {name: kinds[each.name] for each in declared for name in (each.name, *each.aliases)}


def _line(use: Use, message: str) -> int:
    """The line of the parameter that the message begins with, else that of all of them."""
    first = message.split(";")[0].split("(")[0]
    lines = getattr(use.params, "lines", {})
    for key, line in lines.items():
        if re.search(rf"(?<!\w){re.escape(key)}(?!\w)", first):
            return int(line)
    return use.args_line
