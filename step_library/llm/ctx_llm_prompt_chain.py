"""Prompts one after the other, each on what an earlier one has put into ctx."""

from __future__ import annotations

from typing import Any

from octo.context import Context
from octo.scriptlet import Param, scriptlet
from step_library.kit.llm.chain_links import ERRORS, STEP, links_of
from step_library.kit.llm.session import Session
from step_library.kit.llm.settings import CALLING, FAILING, READING, STREAMING, sending
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx


@scriptlet(
    params=[
        Param("chain", "list", help="the links, in order, each a dict of prompt, input_key (a key of ctx or several), "
              "out; also when, skip_if (expressions such as len(ctx['summary']) > 100), each (the input is a list, "
              "each element is asked about), and model, temperature, parse_output and others in place of the chain's"),
        Param("emit", "bool", False, "add llm_link_done to ctx['events'] after each link"),
        *sending("json"), *READING, *FAILING, *CALLING, *STREAMING,
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Ask link by link: `prompt` is the system message, `ctx[input_key]` that of the user, the reply is `ctx[out]`.

    Text is sent as it is, all else as JSON. Returns {outputs: the out keys in order}, and {skipped: [...]} where when,
    skip_if or a failure has skipped links. All links are checked before the first call: a key that neither ctx nor an
    earlier link has is a KeyError that names the link. When a link fails, what the links before it have put into ctx
    stays; with `cache: ctx` a resume takes these replies from there. Failures are those of ctx_llm_tool.
    """
    links = links_of(ctx, params)
    if params["emit"]:
        records.check_list(ctx, "events")
    if any(link.settings["error_to_ctx"] for link in links):
        records.check_list(ctx, ERRORS)
    skipped = []
    with Session(ctx, params, STEP) as session:
        for link in links:
            session.request(link.settings, [])  # its model and options, before anything is paid for
        for link in links:
            chars = link.run(ctx, session) if link.is_due(ctx) else None
            if chars is None:
                skipped.append(link.out)
            if params["emit"]:
                records.event(ctx, "llm_link_done", STEP, {"number": link.number, "out": link.out, "chars": chars})
            if isinstance(ctx, Context) and ctx.in_a_run:
                ctx.checkpoint()
    result: dict[str, Any] = {"outputs": [link.out for link in links if link.out not in skipped]}
    return {**result, "skipped": skipped} if skipped else result


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_llm_prompt_chain")
