"""When a failed call is tried again, and after how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from octo.errors import BodyFailed


@dataclass(frozen=True)
class Retry:
    """`attempts` counts all tries; the delay (seconds) grows by the factor `backoff` up to `max_delay`.

    `exceptions`: names of the exception types (or their bases) that are tried again; empty = all.
    """

    attempts: int = 1
    delay: float = 0.0
    backoff: float = 1.0
    max_delay: float = 3600.0
    exceptions: tuple[str, ...] = ()

    @staticmethod
    def of(setting: dict[str, Any] | int | None) -> Retry:
        """From a node's `retry` flag: a number of attempts or a mapping."""
        if setting is None:
            return Retry()
        if isinstance(setting, int):
            return Retry(attempts=setting)
        names = setting.get("exceptions", ())
        names = [names] if isinstance(names, (str, type)) else names
        spelt = tuple(name if isinstance(name, str) else name.__name__ for name in names)
        return Retry(**{**setting, "exceptions": spelt})

    def allows(self, error: BaseException, made: int) -> bool:
        """Whether there is another try after `made` tries."""
        names = {cls.__name__ for cls in type(error).__mro__}
        if isinstance(error, BodyFailed):
            names = {error.type_name, *error.bases}
        return made < self.attempts and (not self.exceptions or not names.isdisjoint(self.exceptions))

    def wait(self, made: int) -> float:
        """Seconds before the next try, after `made` tries."""
        try:
            return min(self.delay * self.backoff ** (made - 1), self.max_delay)
        except OverflowError:
            return self.max_delay
