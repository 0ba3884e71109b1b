"""Calls one method of a step node: the object, its handles, the author, the directory, the time limit."""

from __future__ import annotations

import inspect
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from octo.context import Context, Group
from octo.errors import StepFailed
from octo.live import Access
from octo.store import Author, writing_as
from octo.store.author import ENVIRONMENT_NAME
from octo.store.state_file import StateFile

from .graph import NodeSpec
from .node import StepNode
from .timeout import call_within


@dataclass
class Body:
    """The object of the current visit's node and what its calls need."""

    spec: NodeSpec
    file: StateFile
    instance: Path
    directory: str
    """The working directory of the run, where the process is already."""
    stop: threading.Event
    verbose: bool = False
    continued: bool = False
    """The visit began in an earlier run, so other methods had another object."""
    _object: Any = None

    def call(self, method: str, author: Author, *, resumed: bool,
             abandon: Callable[[BaseException], None]) -> Any:
        """Call `method` and return what it returns; raises what it raises, StepFailed for a wrong value."""
        access = Access(self.file, author, self.stop)
        os.environ[ENVIRONMENT_NAME] = author.to_environment()
        try:
            with writing_as(author):
                node = self._prepared(access, resumed)
                limit = self.spec.timeout if method == "step_execute" else None
                value = call_within(limit, getattr(node, method), abandon)
        except AttributeError as error:
            if self.continued and error.obj is self._object and self._object is not None:
                error.args = (f"{error}; {_HINT}",)
            raise
        finally:
            access.closed = True
            if (
                os.getcwd() != self.directory
            ):  # the method went elsewhere; the next one starts where it should
                os.chdir(self.directory)
        if method != "step_advance" and value is not None and (isinstance(value, bool) or value != 0):
            raise StepFailed(f"{method} returned {value!r}; 0 means that all is well")
        return value

    def _prepared(self, access: Access, resumed: bool) -> Any:
        if self._object is None:
            self._object = self.spec.cls(**self._arguments())
        node = self._object
        if isinstance(node, StepNode):
            node.ctx = Context.on(access)
            node.params = node.results = Group(access, (self.spec.name,))
            node.log = logging.getLogger(f"octo.step.{self.spec.name}")
            node.resumed = resumed
        return node

    def _arguments(self) -> dict[str, Any]:
        given = {"name": self.spec.name, "verbose_flag": self.verbose}
        return {key: given[key] for key in _wanted(self.spec.cls)}

    def renew(self) -> None:
        """The next call gets a new object: a body that was left behind after its time-out has the old one."""
        self._object, self.continued = None, True


_HINT = ("this visit of the node goes on with a new object, so what an earlier method put on self is gone: "
         "keep it in ctx, params or results")


@lru_cache(maxsize=1000)
def _wanted(cls: type) -> tuple[str, ...]:
    """Which of `name` and `verbose_flag` the class's `__init__` names."""
    if cls.__init__ is object.__init__:  # type: ignore[misc]
        return ()
    named = inspect.signature(cls).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in named.values()):
        return ("name", "verbose_flag")
    return tuple(key for key in ("name", "verbose_flag") if key in named)
