"""Records what a block of code, or a function, raises in ctx["errors"], and goes on with it or without."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from octo.engine.retry import Retry
from octo.errors import OctoError, UsageError
from octo.executors.outcome import describe
from octo.scriptlet import Param, call, resolve, scriptlet
from step_library.kit.files import record_files
from step_library.kit.measures.blocks import Block
from step_library.kit.records import records, showing
from step_library.kit.values.ctx_values import Ctx, plain_list
from step_library.kit.work.calls import name_of

KEY = "errors"
FIELDS = ("timestamp", "step", "error", "traceback")
MOST = 100
"""Elements of a list or dict of ctx that are kept with an error."""
RECORDED = "octo_recorded"
"""The attribute of an exception that an inner block has recorded."""

log = logging.getLogger("octo.steps")


class TooManyErrors(OctoError, RuntimeError):
    """There are as many entries in ctx["errors"] as `max_errors` allows."""


def error_handler(
    ctx: Ctx | str | None = None,
    step_name: str | None = None,
    re_raise: bool = True,
    level: str | None = None,
    code: Any = None,
    notify_fn: str | Callable[..., Any] | None = None,
    max_errors: int | None = None,
    *,
    message: str | None = None,
    exceptions: Any = None,
    details: bool = False,
    dump: Sequence[str] = (),
    audit: bool = False,
    once: bool = False,
    keep: int | None = None,
) -> Block:
    """`with error_handler(ctx, "load"):` appends what the block raises to `ctx["errors"]`; then it goes on.

    The entry: {step, timestamp, error (its message), traceback}. With `re_raise=False` the program goes on behind the
    block. Also `async with`, and `@error_handler("load")` in front of a function that is called with ctx (it returns
    None where its exception was swallowed). KeyboardInterrupt and SystemExit are left alone.

    `level`, `code` and `message` are kept in the entry as they are, with `details` also the exception's type; `dump`:
    keys of ctx whose values are kept in it as `values`, cut, secrets masked. `exceptions`: names or classes of those
    that are handled; others pass. `once`: what an inner block has recorded is not recorded again. `audit` adds a line
    to `ctx["audit"]`; `keep` bounds the list. `notify_fn` is called with each `entry`; what it raises is recorded too.
    `max_errors`: with so many in the list TooManyErrors (a RuntimeError) is raised, whatever `re_raise` says.
    """
    if max_errors is not None and max_errors < 1:
        raise UsageError(f"max_errors is 1 or more, not {max_errors}")
    notify = None if notify_fn is None else resolve(notify_fn)
    # one of the engine's rules says whether an exception is one of those that are named
    handled = Retry.of({"attempts": 2, "exceptions": exceptions or ()})

    def recorded(ctx: Ctx, step: str, error: Exception) -> int:
        more: dict[str, Any] = {"type": type(error).__name__, "level": "ERROR"} if details else {}
        for name, given in (("level", level), ("code", code), ("message", message)):
            if given is not None:
                more[name] = records.safe(given)
        if dump:
            there = showing.picked(ctx, [key for key in dump if key in ctx])
            more["values"] = showing.as_shown(records.safe(there), showing.SECRETS, MOST)
        count = records.error(ctx, step, error, keep=keep, **more)
        if audit:
            said = describe(error)["message"]
            records.append(ctx, "audit", {"step": step, "timestamp": records.now_text(), "status": "error",
                                          "error": said})
        with suppress(AttributeError):
            setattr(error, RECORDED, True)
        if notify is not None:
            try:
                call(notify, ctx, {"entry": plain_list(ctx, KEY)[-1]})
            except Exception as problem:
                count = records.error(ctx, f"{step}: notify_fn", problem, keep=keep)
        return count

    @contextmanager
    def opened(ctx: Ctx, step: str, params: Any) -> Iterator[dict[str, Any]]:
        records.check_list(ctx, KEY, keep)
        if audit:
            records.check_list(ctx, "audit")
        try:
            yield {}
        except Exception as error:
            if not handled.allows(error, 1) or isinstance(error, TooManyErrors):
                raise
            if not (once and getattr(error, RECORDED, False)):
                try:
                    count = recorded(ctx, step, error)
                except Exception:
                    log.exception("%s: an error could not be written to ctx[%r]", step, KEY)
                    raise error from None
                if max_errors is not None and count >= max_errors:
                    raise TooManyErrors(f"{step}: there are {count} errors, and max_errors is {max_errors}; the last: "
                                        f"{describe(error)['message']}") from error
            if re_raise:
                raise

    return Block("error_handler", ctx, step_name, opened)


@scriptlet(params=[
    Param("fn", "callable", help="the function: a library step's name or module:function"),
    Param("args", "dict", {}, "its arguments, by name; a step gets them as its params"),
    Param("step_name", "str | null", None, "the name in the entry; the function's own where there is none",
          aliases=["step"]),
    Param("re_raise", "bool", True, "the exception goes on after it is recorded; false: the recipe goes on"),
    Param("level", "str | null", None, "how grave, such as WARNING; kept in the entry"),
    Param("code", "any", None, "a code or tags for sorting errors; kept in the entry"),
    Param("message", "str | null", None, "a message of your own; kept in the entry beside the exception's"),
    Param("notify_fn", "callable | null", None, "function of entry, called after it is recorded"),
    Param("max_errors", "int | null", None, "fail when there are so many entries in ctx['errors']"),
    Param("exceptions", "str | list[str] | null", None, "names of the exceptions (or their bases) that are handled; "
          "otherwise all"),
    Param("details", "bool", False, "also the exception's type and a level"),
    Param("dump", "list[str]", [], "keys of ctx that are kept in the entry, as values, cut, secrets masked"),
    Param("audit", "bool", False, "also add a line to ctx['audit']"),
    Param("keep", "int | null", None, "keep only the newest entries, so many; not in parallel steps"),
])
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Call `fn(**args)`; what it raises is appended to `ctx["errors"]` as `{step, timestamp, error, traceback}`.

    The entry stays when the step fails and is undone. Returns `{"step": …, "result": …, "error": null or the
    message}`. In Python: `with error_handler(ctx, "load", re_raise=False):`, and `@error_handler("load")`; `entries`
    and `export` in this module read the list.
    """
    fn = params["fn"]
    step = params["step_name"] or name_of(fn)
    options = {name: params[name] for name in params if name not in ("fn", "args", "step_name")}
    found: dict[str, Any] = {"step": step, "result": None, "error": None}

    def called() -> None:
        try:
            found["result"] = call(fn, ctx, params["args"])
        except Exception as error:
            found["error"] = describe(error)["message"] or type(error).__name__
            raise

    with error_handler(ctx, step, **options):
        called()
    return found


def entries(ctx: Ctx, **which: Any) -> list[dict[str, Any]]:
    """The errors of a step (`step="load"`), of a field, `since` a time, with a `keyword` in them."""
    return records.chosen(plain_list(ctx, KEY) if KEY in ctx else [], **which)


def export(ctx: Ctx, path: str | Path, **which: Any) -> str:
    """Write what `entries` finds to a file: .csv, .json, .jsonl, else lines of text."""
    return record_files.export(entries(ctx, **which), path, FIELDS)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_error_handler")
