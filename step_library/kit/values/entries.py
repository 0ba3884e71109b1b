"""Parameters that are lists of dicts, such as jobs and tasks: each entry is checked, also before a recipe runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octo.errors import NameNotFound, OctoError
from octo.param import Param, ParamError, Table
from octo.recipe.template import has_template

Check = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Gives an entry with all its fields; an OctoError says what is wrong in it."""


class FunctionNotFound(ParamError, NameNotFound):
    """A function that an entry names is not there."""


@dataclass(frozen=True)
class Entries(Param):
    """A list of dicts with these fields, each dict named by its field `id`. Its value stays as it was given."""

    fields: Table = Table(())
    check: Check = dict
    id: str = ""

    def value(self, given: Any) -> Any:
        """The list; an OctoError where it or one of its entries does not fit."""
        found = super().value(given)
        self.filled(found)
        return found

    def filled(self, given: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
        """The entries with all their fields. The error is that of the check, with the entry's place in front."""
        found: dict[str, dict[str, Any]] = {}
        for place, entry in enumerate(given or ()):
            where = self._place(place, entry)
            try:
                made = self.check(entry)
                if not made[self.id]:
                    raise ParamError(f"{self.id} is empty")
                if made[self.id] in found:
                    raise ParamError(f"another one has this {self.id} already")
            except OctoError as error:
                raise _kind(error)(f"{where}: {error.message}") from None
            found[made[self.id]] = made
        return list(found.values())

    def mistakes_around_templates(self, given: Any) -> list[str]:
        """In the fields of entries that have no template in them."""
        found = []
        for place, entry in enumerate(given if isinstance(given, list) else ()):
            if isinstance(entry, Mapping):
                templated = [name for name, value in entry.items() if has_template(value)]
                found += [f"{self._place(place, entry)}: {said}" for said in self.fields.mistakes(entry, templated)]
        return found

    def _place(self, place: int, entry: Mapping[str, Any]) -> str:
        return f"{self.name}[{place}]" + (f" ({entry[self.id]})" if self.id in entry else "")


def _kind(error: OctoError) -> type[ParamError]:
    if isinstance(error, ParamError):
        return type(error)
    return FunctionNotFound if isinstance(error, NameNotFound) else ParamError
