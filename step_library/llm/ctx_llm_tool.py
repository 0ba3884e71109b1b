"""A language model as a tool for any data in ctx: clean, sum up, transform, write code, pull out JSON."""

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
        Param("instruction", "str", help="what the model is to do with the data", aliases=("prompt",)),
        *sending("json"), *READING, *FAILING, *CALLING, *STREAMING,
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the model's raw reply into `ctx[out]`, as text, whatever it asks for; return {out, chars: its length}.

    The instruction is the system message, the data that of the user: text as it is, all else as JSON. With
    `parse_output: json` the JSON of the reply stands in ctx[out], the text in ctx[<out>_raw]. Code is kept, never run.
    Each call is counted in ctx["llm_usage"]. Without a reply it raises LlmFailed (openai.APIError for a service's
    errors too), for JSON that is none BadReply, and BudgetExceeded before a call that the budget has no room for;
    ctx[out] stays as it was. With error_to_ctx such failures are added to ctx["errors"] instead.
    """
    return ask_one(ctx, {**params, "prompt": params["instruction"]}, "ctx_llm_tool", layout="system", errors="errors")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_llm_tool")
