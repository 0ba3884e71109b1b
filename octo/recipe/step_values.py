"""A step's own fields over the defaults, and what is common to the steps of one file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from octo.recipe.fields import PYTHON, STEP
from octo.recipe.model import Step
from octo.recipe.nodes import Map
from octo.recipe.shape import Notes

FIELDS = {each.name: each for each in STEP}
# fields that say the same thing: a step's own one takes the place of all of them
SAME = ({"params", "args"}, {"executor", "requires_process"})


@dataclass
class Use:
    """A Python function that a step names, and what the step gives it."""

    step: Step
    where: str
    line: int
    args_line: int
    params: Map | None
    known: tuple[str, ...] = ()


@dataclass
class Reading:
    """What is common to the steps of one file."""

    notes: Notes
    defaults: dict[str, Any] = field(default_factory=dict)
    defaults_map: Map | None = None
    uses: list[Use] = field(default_factory=list)
    needs_lines: dict[int, int] = field(default_factory=dict)  # id of a step: the line of its dependencies
    folders: list[Path] = field(default_factory=lambda: [Path.cwd()])
    cores: int = 0
    memory: int = 0


class Values:
    """A step's own fields over the defaults; each knows the mapping that it stands in."""

    def __init__(self, own: dict[str, Any], mapping: Map, reading: Reading, hook: bool) -> None:
        self.mapping = mapping
        self.own = own
        self.all = dict(own)
        taken = set(mapping)
        for same in SAME:
            if taken & same:
                taken |= same
        self.kind = kind_of(mapping, {} if hook else reading.defaults)
        if not hook:
            for name, value in reading.defaults.items():
                on = "all" if name == "args" and self.kind == PYTHON else FIELDS[name].on
                if name not in taken and on in ("all", self.kind):
                    self.all[name] = value
        self.defaults_map = reading.defaults_map

    def get(self, name: str, default: Any = None) -> Any:
        return self.all.get(name, default)

    def home(self, name: str) -> Map:
        """The mapping in which the field stands."""
        if name in self.own or self.defaults_map is None:
            return self.mapping
        return self.defaults_map

    def line(self, name: str) -> int:
        return self.home(name).lines.get(name, self.mapping.line)


def kind_of(own: dict[str, Any], defaults: dict[str, Any]) -> Literal["python", "shell"]:
    """Whether a step with these fields, over these defaults, is of Python or a program."""
    for values in (own, defaults):
        if values.get("type") in ("python", "shell"):
            kind: Literal["python", "shell"] = values["type"]
            return kind
        if values.get("cmd") is not None:
            return "shell"
        if values.get("module") is not None or values.get("function") is not None:
            return "python"
    return "python"
