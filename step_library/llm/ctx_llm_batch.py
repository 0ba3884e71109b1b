"""One prompt for several keys of ctx, asked in parallel; the replies are a dict by key."""

from __future__ import annotations

from typing import Any

from octo.context import Context
from octo.errors import ShapeError, UsageError, nearest
from octo.param import grouped
from octo.scriptlet import Param, scriptlet
from step_library.kit.llm.asking import Ask, answer, put, written_down
from step_library.kit.llm.messages import data_of, library_of, named
from step_library.kit.llm.session import Question, Session
from step_library.kit.llm.settings import CALLING, ERROR_TO_CTX, FAILURE, READING, sending
from step_library.kit.records import records
from step_library.kit.values.ctx_copies import one_change, table
from step_library.kit.values.ctx_values import Ctx

STEP = "ctx_llm_batch"
ON_ERROR = Param("on_error", "str", "raise", "when a call fails: raise, and write nothing; or keep the other replies, "
                 "with {key: message} of those that failed in ctx[<out>_errors]", choices=("raise", "keep"))


@scriptlet(
    params=[
        Param("keys", "list[str] | str", help="keys of ctx whose values are asked about",
              aliases=("key", "input_key", "input_keys")),
        Param("out", "str", help="key of ctx for {key: reply}"),
        Param("prompt", "str", help="what the model is to do with each value", aliases=("instruction",)),
        Param("prompts", "dict", {}, "for some keys another prompt: {key: prompt}"),
        Param("progress", "bool", False, "keep {done, total, failed}, in calls, in ctx['progress'][out]"),
        *sending("str"), *READING, *grouped(FAILURE, ON_ERROR, ERROR_TO_CTX), *CALLING,
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put {key: reply} into `ctx[out]`, in the order of `keys`; return {summarized: the keys}.

    The prompt is the system message, str() of the value that of the user; `workers` calls run at once. When one fails
    the others on their way are waited for, and the failure, which names the key, is raised: nothing is written. With
    `on_error: keep` the rest is kept, and {failed: [...]} returned as well. With error_to_ctx failures are added to
    ctx["errors"] and the rest is kept too. With parse_output the texts stand in ctx[<out>_raw]. Failures are those of
    ctx_llm_tool.
    """
    out = params["out"]
    keys = list(dict.fromkeys([params["keys"]] if isinstance(params["keys"], str) else params["keys"]))
    keeps = params["on_error"] == "keep" or params["error_to_ctx"]
    asks = _asks(ctx, params, keys)
    if params["error_to_ctx"]:
        records.check_list(ctx, "errors")
    with Session(ctx, params, STEP) as session:
        done = _progress(ctx, out, asks) if params["progress"] else None
        answer(ctx, session, asks, workers=params["workers"], keep_going=keeps, done=done)
    failed = {ask.key_name: ask.error for ask in asks if ask.error is not None}
    if failed and not keeps:
        raise next(iter(failed.values()))
    for error in failed.values() if params["error_to_ctx"] else ():
        written_down(ctx, "errors", STEP, error)
    good = [ask for ask in asks if ask.error is None]
    with one_change(ctx):
        put(ctx, out, {ask.key_name: ask.value for ask in good}, params, {ask.key_name: ask.text for ask in good})
        if keeps:
            ctx[f"{out}_errors"] = {key: str(error) for key, error in failed.items()}
    result: dict[str, Any] = {"summarized": [ask.key_name for ask in good]}
    return {**result, "failed": list(failed)} if failed else result


def _asks(ctx: Ctx, params: dict[str, Any], keys: list[str]) -> list[Ask]:
    """What is asked, all of it checked before the first call."""
    if not params["out"]:
        raise ShapeError("out: a key of ctx is not empty")
    for key in params["prompts"]:
        if key not in keys:
            raise UsageError(f"prompts: {key!r} is not one of keys{nearest(str(key), keys)}")
    library = library_of(params["prompt_library"])
    prompt = named(params["prompt"], library)
    own = {key: named(str(text), library) for key, text in params["prompts"].items()}
    return [Ask(f"key {key!r}", own.get(key, prompt), data_of(ctx, key, "keys"), params, key) for key in keys]


def _progress(ctx: Ctx, out: str, asks: list[Ask]) -> Any:
    """A function that keeps count of the questions that have been answered."""
    table(ctx, "progress")  # ShapeError where something else stands there
    state = {"done": 0, "total": 0, "failed": 0}

    def done(question: Question) -> None:
        if not state["total"]:  # now all requests are made
            state["total"] = sum(len(ask.parts) + (len(ask.parts) > 1 and bool(ask.settings["chunk_merge"]))
                                 for ask in asks)
        state["done"] += 1
        state["failed"] += question.error is not None
        if isinstance(ctx, Context):
            ctx.record("progress", dict(state), id=out)
        else:
            ctx.setdefault("progress", {})[out] = dict(state)

    return done


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_llm_batch")
