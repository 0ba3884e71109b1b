"""What a step asks: an instruction and data, sent in one piece or several, the replies made one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from octo.errors import OctoError
from octo.executors.outcome import describe
from octo.store import MISSING
from step_library.kit.llm.messages import filled, messages_of, pieces_of
from step_library.kit.llm.replies import finished, joined, parsed_as
from step_library.kit.llm.session import NEVER, Question, Session
from step_library.kit.records import records
from step_library.kit.values.ctx_copies import one_change
from step_library.kit.values.ctx_values import Ctx, plain


@dataclass
class Ask:
    """`layout`: "system", the prompt as a message of its own, or "user", both in one. `where` is for messages.

    Once answered: `value`, and `text` as it came; or `error`.
    """

    where: str
    prompt: str
    data: Any
    settings: Mapping[str, Any]
    key_name: str = ""
    layout: str = "system"
    value: Any = None
    text: str = ""
    error: Exception | None = None
    parts: list[Question] = field(default_factory=list)

    def so_far(self) -> str:
        """The text as far as it has come."""
        return str(joined([text for part in self.parts if (text := part.so_far())]))


def answer(ctx: Ctx, session: Session, asks: Sequence[Ask], *, keep_going: bool = False, **how: Any) -> None:
    """Fill in the answers; `how` is for `Session.answer`. All requests are made before the first one is sent.

    Without `keep_going` the answers count only where no ask has an error.
    """
    for ask in asks:
        ask.parts = _parts(ctx, session, ask)
    session.answer([part for ask in asks for part in ask.parts], keep_going=keep_going, **how)
    for ask in asks:
        _read(ask)
    merging = [ask for ask in asks if len(ask.parts) > 1 and ask.settings["chunk_merge"] and ask.error is None]
    if merging and (keep_going or not any(ask.error for ask in asks)):
        for ask in merging:
            request = session.request(ask.settings, messages_of(ask.settings["chunk_merge"], ask.text, ask.layout))
            ask.parts = [Question(ask.where, request, _reader(ask.settings))]
        session.answer([ask.parts[0] for ask in merging], keep_going=keep_going, **how)
        for ask in merging:
            _read(ask)


def _parts(ctx: Ctx, session: Session, ask: Ask) -> list[Question]:
    settings = ask.settings
    data = ask.data if settings["pre_fn"] is None else settings["pre_fn"](ask.data)
    pieces = pieces_of(data, settings["data_format"], settings["chunk_chars"])
    found = []
    for number, text in enumerate(pieces, 1):
        prompt, layout = ask.prompt, ask.layout
        if settings["template"]:
            prompt, holds_data = filled(ctx, prompt, text, ask.key_name)
            layout = "alone" if holds_data else layout
        place = f"piece {number} of {len(pieces)}" if len(pieces) > 1 else ""
        request = session.request(settings, messages_of(prompt, text, layout))
        read = _reader(settings) if len(pieces) == 1 else _piece_reader(settings)
        found.append(Question(", ".join(filter(None, [ask.where, place])), request, read))
    return found


def _reader(settings: Mapping[str, Any]) -> Callable[[str], Any]:
    return lambda text: finished(settings, parsed_as(settings["parse_output"], text))


def _piece_reader(settings: Mapping[str, Any]) -> Callable[[str], Any]:
    """A piece that goes on to be merged by the model is text; any other is what parse_output says."""
    wanted = "text" if settings["chunk_merge"] else settings["parse_output"]
    return lambda text: parsed_as(wanted, text)


def _read(ask: Ask) -> None:
    """Make one of the parts."""
    ask.error = next((part.error for part in ask.parts if part.error), None)
    ask.text = str(joined([part.text for part in ask.parts]))
    if len(ask.parts) == 1:
        ask.value = ask.parts[0].value
    elif ask.error is None and not ask.settings["chunk_merge"]:
        try:
            ask.value = finished(ask.settings, joined([part.value for part in ask.parts]))
        except Exception as error:  # of the schema, or the user's own post_fn
            ask.error = error


# --- into ctx


def policy(settings: Mapping[str, Any]) -> str:
    """What becomes of a call that failed: raise, skip or default."""
    return str(settings["on_error"] or ("skip" if settings["error_to_ctx"] else "raise"))


def put(ctx: Ctx, out: str, value: Any, settings: Mapping[str, Any], text: Any) -> None:
    """Write a value to `ctx[out]`, where it was parsed the text to `ctx[<out>_raw]` too."""
    with one_change(ctx):
        if settings["parse_output"] != "text":
            ctx[f"{out}_raw"] = text
        ctx[out] = value


def written_down(ctx: Ctx, key: str, step: str, raised: Exception) -> None:
    """Add an entry {step, timestamp, error, traceback} to `ctx[key]`."""
    if key == "errors":
        records.error(ctx, step, raised)
        return
    said = describe(raised)
    records.append(ctx, key, {"step": step, "timestamp": records.now_text(), "error": said["message"],
                              "traceback": said["traceback"]})


class Growing:
    """A key of ctx that shows a reply while it comes; what stood there before is put back where none comes."""

    def __init__(self, ctx: Ctx, out: str, ask: Ask, params: Mapping[str, Any]) -> None:
        self._ctx, self._ask, self._on_text = ctx, ask, params["on_text"]
        self._key = f"{out}_raw" if ask.settings["parse_output"] != "text" else out
        self._in_ctx = params["stream"]
        self._before = plain(ctx, self._key) if self._in_ctx and self._key in ctx else MISSING
        self._shown = ""
        self.how: dict[str, Any] = {}
        if params["stream"] or params["on_text"] is not None:
            self.how = {"show": self._show, "every": max(0.05, min(params["stream_every"], NEVER))}

    def _show(self) -> None:
        text = self._ask.so_far()
        if text == self._shown:
            return
        self._shown = text
        if self._in_ctx:
            self._ctx[self._key] = text
        if self._on_text is not None:
            self._on_text(text)

    def __enter__(self) -> Growing:
        return self

    def __exit__(self, kind: Any, *how: Any) -> None:
        if not (self._in_ctx and self._shown) or (kind is None and self._ask.error is None):
            return
        with suppress(OctoError):  # the attempt may have ended
            if self._before is MISSING:
                self._ctx.pop(self._key, None)
            else:
                self._ctx[self._key] = self._before
