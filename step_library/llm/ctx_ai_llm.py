"""A value of ctx, sent to a language model with an instruction; what it replies goes into ctx."""

from __future__ import annotations

from typing import Any

from octo.scriptlet import Param, scriptlet
from step_library.kit.llm.one_reply import ask_one
from step_library.kit.llm.settings import CALLING, FAILING, READING, STREAMING, sending
from step_library.kit.values.ctx_values import Ctx


@scriptlet(
    params=[
        Param("key", "str | list[str]", help="key of ctx with the data; of several, {key: value} is sent",
              aliases=("input_key", "keys")),
        Param("out", "str", help="key of ctx for the reply"),
        Param("prompt", "str", help="what the model is to do", aliases=("instruction",)),
        *sending("str"), *READING, *FAILING, *CALLING, *STREAMING,
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the reply to `prompt` and the data into `ctx[out]`, as text; return {out, chars: its length}.

    Both are one message: the prompt, an empty line, the data. Each call is counted in ctx["llm_usage"]. No key is
    ever written anywhere, and a reply that is code is never run. Without a reply it raises LlmFailed (openai.APIError
    for a service's errors too), for JSON that is none BadReply, and BudgetExceeded before a call that the budget has
    no room for; ctx[out] stays as it was. With error_to_ctx such failures are added to ctx["llm_errors"] instead, as
    {step, timestamp, error, traceback}.
    """
    return ask_one(ctx, params, "ctx_ai_llm", layout="user", errors="llm_errors")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_ai_llm")
