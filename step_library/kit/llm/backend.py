"""One call of a language model and its reply, and what answers such calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Request:
    """One call: `messages` are [{role, content}], `options` what the protocol has beside (temperature, max_tokens)."""

    model: str
    messages: Sequence[Mapping[str, str]]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that is sent, for counting."""
        return "\n".join(message["content"] for message in self.messages)


@dataclass(frozen=True)
class Reply:
    """What came back. `estimated`: the service did not count the tokens, so they are guessed from the length.

    `problem`: why it has no text; it was paid for all the same.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    finish_reason: str = "stop"
    problem: str = ""


OnPiece = Callable[[str], None]


class Backend(Protocol):
    """`reply` is called from several threads; it raises LlmFailed, and gives its text piece by piece to `on_piece`."""

    name: str
    place: str
    """Its address, without secrets; what is kept in the cache is kept for it."""
    model: str | None
    """The model where a step names none."""

    def reply(self, request: Request, timeout: float, on_piece: OnPiece | None) -> Reply: ...

    def close(self) -> None: ...


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has: one for four bytes, at least one."""
    return max(1, -(-len(text.encode(errors="replace")) // 4))
