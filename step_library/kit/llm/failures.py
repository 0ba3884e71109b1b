"""What goes wrong when a language model is asked."""

from __future__ import annotations

from octo.errors import OctoError


class LlmFailed(OctoError):
    """No reply came. `again`: a new try may help; `after`: the service asks to wait so many seconds before it."""

    def __init__(self, message: str, *, again: bool = False, after: float | None = None) -> None:
        OctoError.__init__(self, message)
        self.again = again
        self.after = after

    def __str__(self) -> str:  # some that are derived from it have their own way
        return self.message


class LlmTimeout(LlmFailed, TimeoutError):
    """No reply in time."""


class BadReply(LlmFailed, ValueError):
    """A reply came, but it is not what was asked for: no text, no JSON, against the schema."""


class BudgetExceeded(OctoError):
    """The call would break the run's budget, so it was not made."""


class LlmStopped(OctoError):
    """The run was asked to stop while a reply was awaited."""
