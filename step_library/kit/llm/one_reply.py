"""One question about what stands in ctx, its reply put there: ctx_ai_llm, ctx_llm_tool and each link of a chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octo.errors import ShapeError
from octo.store.values import copied
from step_library.kit.llm.asking import Ask, Growing, answer, policy, put, written_down
from step_library.kit.llm.messages import data_of, library_of, named
from step_library.kit.llm.session import Session
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx


def ask_one(ctx: Ctx, params: Mapping[str, Any], step: str, *, layout: str, errors: str) -> dict[str, Any]:
    """The whole step: {out, chars}, and error where the call failed and that is no reason to stop."""
    key, out = params["key"], params["out"]
    if not out:
        raise ShapeError("out: a key of ctx is not empty")
    if params["error_to_ctx"]:
        records.check_list(ctx, errors)
    data = data_of(ctx, key, "key")
    prompt = named(params["prompt"], library_of(params["prompt_library"]))
    ask = Ask("", prompt, data, params, key if isinstance(key, str) else ", ".join(key), layout)
    with Session(ctx, params, step) as session:
        asked(ctx, session, ask, params, out, step, errors)
    result: dict[str, Any] = {"out": out, "chars": len(ask.text)}
    return result if ask.error is None else {**result, "error": str(ask.error)}


def asked(ctx: Ctx, session: Session, ask: Ask, params: Mapping[str, Any], out: str, step: str, errors: str) -> bool:
    """Ask, and put the value into `ctx[out]`; a failure is raised, written down, or replaced, as the settings say.

    Returns whether `ctx[out]` was written.
    """
    with Growing(ctx, out, ask, params) as growing:
        answer(ctx, session, [ask], workers=params["workers"], **growing.how)
    if ask.error is None:
        put(ctx, out, ask.value, ask.settings, ask.text)
        return True
    return failed(ctx, ask.error, ask.settings, out, step, errors)


def failed(ctx: Ctx, error: Exception, settings: Mapping[str, Any], out: str, step: str, errors: str) -> bool:
    """What becomes of a failure: it is raised, or `ctx[out]` gets the default (true), or stays as it is (false)."""
    if settings["error_to_ctx"]:
        written_down(ctx, errors, step, error)
    how = policy(settings)
    if how == "raise":
        raise error
    if how == "default":
        ctx[out] = copied(settings["default"])  # in a dict it would be the recipe's own
    return how == "default"
