"""The links of a chain of prompts: their parameters, and what becomes of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from octo.errors import MissingKey, OctoError, ShapeError, nearest
from octo.param import Param, Table
from step_library.kit.llm import settings as known
from step_library.kit.llm.asking import Ask, answer, put
from step_library.kit.llm.messages import data_of, library_of, named
from step_library.kit.llm.one_reply import asked, failed
from step_library.kit.llm.session import Session
from step_library.kit.text.placeholders import places
from step_library.kit.values.ctx_values import Ctx, described, plain
from step_library.kit.values.expressions import compiled

STEP = "ctx_llm_prompt_chain"
ERRORS = "errors"
OF_CHAIN = ("prompt_library",)
"""Parameters that a link does not have of its own."""
OVERRIDES = tuple(
    replace(param, default=None) for param in
    (known.MODEL, known.TEMPERATURE, known.MAX_TOKENS, known.OPTIONS, *known.READING, *known.FAILING,
     *known.sending("json")) if param.name not in OF_CHAIN)
"""What a link may say otherwise than the chain."""
LINK = Table((
    Param("prompt", "str", help="the instruction", aliases=("instruction",)),
    Param("input_key", "str | list[str]", help="key of ctx with its input, or several",
          aliases=("key", "keys", "input_keys")),
    Param("out", "str", help="key of ctx for its reply"),
    Param("when", "str | null", None, "expression of ctx; where it is false the link is skipped"),
    Param("skip_if", "str | null", None, "expression of ctx; where it is true the link is skipped"),
    Param("each", "bool", False, "the input is a list: ask for each element, in parallel; the replies are a list"),
    *OVERRIDES,
))


@dataclass
class Link:
    """One link: its own parameters, and `settings`, the chain's with these over them."""

    number: int
    own: Mapping[str, Any]
    settings: Mapping[str, Any]
    prompt: str
    tests: list[tuple[Callable[..., Any], bool]]
    """Expressions of ctx, and what each has to be."""

    @property
    def where(self) -> str:
        return f"chain[{self.number}]"

    @property
    def out(self) -> str:
        return str(self.own["out"])

    @property
    def keys(self) -> list[str]:
        """The keys that it reads."""
        given = self.own["input_key"]
        return [given] if isinstance(given, str) else list(given)

    def is_due(self, ctx: Ctx) -> bool:
        """What `when` and `skip_if` say."""
        if not self.tests:
            return True
        values = {key: plain(ctx, key) for key in ctx}
        return all(bool(test(values)) is wanted for test, wanted in self.tests)

    def run(self, ctx: Ctx, session: Session) -> int | None:
        """Ask and put the reply into ctx; its length. None where a failure left nothing to be put there."""
        try:
            data = data_of(ctx, self.own["input_key"], self.where)
        except MissingKey as missing:  # the link that writes it was skipped
            return 0 if failed(ctx, missing, self.settings, self.out, STEP, ERRORS) else None
        name = ", ".join(self.keys)
        if not self.own["each"]:
            ask = Ask(self.where, self.prompt, data, self.settings, name)
            return len(ask.text) if asked(ctx, session, ask, self.settings, self.out, STEP, ERRORS) else None
        if not isinstance(data, list):
            raise ShapeError(f"{self.where}: with each ctx[{name!r}] is to be a list, not {described(data)}")
        asks = [Ask(f"{self.where}, element {place}", self.prompt, each, self.settings, name)
                for place, each in enumerate(data)]
        answer(ctx, session, asks, workers=self.settings["workers"])
        error = next((ask.error for ask in asks if ask.error), None)
        if error is not None:
            return 0 if failed(ctx, error, self.settings, self.out, STEP, ERRORS) else None
        put(ctx, self.out, [ask.value for ask in asks], self.settings, [ask.text for ask in asks])
        return sum(len(ask.text) for ask in asks)


def links_of(ctx: Ctx, params: Mapping[str, Any]) -> list[Link]:
    """The links, checked: nothing is sent before all is known to be there that can be known."""
    library = library_of(params["prompt_library"])
    found: list[Link] = []
    written: set[str] = set()
    for number, given in enumerate(params["chain"]):
        link = _link(number, given, params, library)
        for key in link.keys:
            if key not in ctx and key not in written:
                near = nearest(key, [*map(str, ctx), *written])
                raise MissingKey(f"{link.where} ({link.out}): ctx has no key {key!r}, and no link before it writes it"
                                 f"{near}")
        written |= {link.out, f"{link.out}_raw"}
        found.append(link)
    return found


def _link(number: int, given: Any, params: Mapping[str, Any], library: Mapping[str, Any] | None) -> Link:
    where = f"chain[{number}]"
    if not isinstance(given, Mapping):
        raise ShapeError(f"{where}: a link is {{prompt, input_key, out}}, not {described(given)}")
    try:
        own = LINK.fill(given)
        if not own["out"]:
            raise ShapeError("out: a key of ctx is not empty")
        tests = [(compiled(own[name], ("ctx",)), wanted) for name, wanted in (("when", True), ("skip_if", False))
                 if own[name]]
        prompt = named(own["prompt"], library)
        said = {param.name: own[param.name] for param in OVERRIDES if own[param.name] is not None}
        settings = {**params, **said}
        if settings["template"]:
            places(prompt, "prompt")  # it can be read
    except OctoError as error:
        error.message = f"{where}: {error.message}"
        error.args = (error.message,)
        raise
    return Link(number, own, settings, prompt, tests)
