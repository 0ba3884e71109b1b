"""The engine: runs an instance from where it stands until it ends, fails or pauses.

>>> from octo import Engine
>>> Engine("instances/retry_demo").run().status
'COMPLETE_SUCCESS'
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from octo.errors import InstanceBusy, UsageError, quoted
from octo.store import GLOBAL, MISSING, ParameterStore, RunLock
from octo.store.author import ENVIRONMENT_NAME

from .ending import Ending, Tally
from .events import Events, Subscriber
from .output import RunLog
from .position import put, setting
from .result import RunResult
from .stopping import Stopping
from .walk import ENGINE, Frame, Walk

log = logging.getLogger("octo.engine")

_LARGE = ("ctx",)
"""What the engine need not copy to know where it stands."""

_directory = ""
_directory_before = ""
_directory_users = 0
_directory_lock = threading.Lock()


class Engine:
    """Runs the instance in a directory.

    `subscribers` are told each event (`octo.engine.events`). `verbose` is handed to the nodes as
    `verbose_flag`. `strict`: changed sources are an error instead of a warning. `draw=False` leaves
    `Assets/graph.png` alone. `walk`: what to walk instead of the step library that the instance names
    (a recipe gives its own).
    """

    def __init__(self, instance: str | Path, *, verbose: bool = False, subscribers: Sequence[Subscriber] = (),
                 strict: bool = False, draw: bool = True, walk: Walk | None = None) -> None:
        self.instance = instance
        self.verbose = verbose
        self.strict = strict
        self.draw = draw
        self._walk = walk
        self._subscribers = list(subscribers)

    def run(self, steps: int | None = None) -> RunResult:
        """Run until the graph ends, a step fails, or something pauses it; at most `steps` steps.

        What goes wrong in a step is in the result. Raised are: UsageError (not an instance, a bad
        library: LibraryError, another engine runs it: InstanceBusy) and StoreError.
        """
        if steps is not None and steps < 1:
            raise UsageError(f"the number of steps is 1 or more, not {steps}")
        store = ParameterStore(self.instance)
        store.begin_anew_if_removed()
        state = store.read(without=_LARGE)
        walk = self._walk or self._library_walk(store, state)
        run_id = walk.run_id(state) or new_run_id()
        lock = RunLock(store.directory)
        try:
            lock.acquire(run_id)
        except InstanceBusy as error:
            shown = quoted(self.instance)
            raise InstanceBusy(
                error.message, hints=[f"octo status {shown} --watch", f"octo logs {shown} -f"]
            ) from None
        try:
            return _Run(self, store, walk, run_id, steps).go()
        finally:
            lock.release()

    def _library_walk(self, store: ParameterStore, state: Any) -> Walk:
        from .library import load_library
        from .node_walk import NodeWalk

        library = library_of(state, store.directory, self.instance)
        return NodeWalk(load_library(library, setting(state, "first_step_node", "")), strict=self.strict)


class _Run:
    """One run: what is set up before the first step and put away after the last."""

    def __init__(self, engine: Engine, store: ParameterStore, walk: Walk, run_id: str, steps: int | None) -> None:
        self.engine, self.store, self.walk, self.run_id, self.steps = engine, store, walk, run_id, steps
        self.file = store._state_file
        self.started = time.monotonic()

    def go(self) -> RunResult:
        with self.file.locked():  # from here on there is a journal
            state = self.store.read(without=_LARGE)  # again: now nobody else runs it
        self.tally = Tally(_number(state, "run_step_limit"), _number(state, "run_loop_limit"))
        if self.steps is not None:
            self.tally.step_limit = min(self.steps, self.tally.step_limit or self.steps)
        where = self.walk.begin(self.file, state)
        if where.finished:
            return RunResult("COMPLETE_SUCCESS", "completed", 0, self.run_id, where.node, wanted=self.steps,
                             reasons=["it had finished before; nothing was run"], nothing_to_do=True,
                             directory=str(self.store.directory))
        with ExitStack() as stack:
            directory = stack.enter_context(_working_directory(self.directory(state)))
            self.log = RunLog(self.store.directory / "Logs" / f"{self.run_id}.log")
            stack.callback(self.log.close)
            self.events = Events([self.log, *self._picture(), *self.engine._subscribers])
            stack.enter_context(self.log)
            stopping = stack.enter_context(Stopping(self._asked_to_stop))
            stack.enter_context(self._deferring())
            for warning in where.warnings:
                log.warning("%s", warning)
            self.walk.set_up(Frame(self.file, self.events, stopping, self.tally, self.log, self.store.directory,
                                   directory, self.run_id, self.engine.verbose, self._abandon))
            self.resumed = where.goes_on
            self.events.tell("run_started", run_id=self.run_id, resumed=where.goes_on, graph=self.walk.graph,
                             instance=self.store.directory, state=self.store.read(without=_LARGE),
                             warnings=where.warnings, runs=where.runs)
            self._record_start()
            try:
                return self._end(self.walk.walk())
            finally:
                self.walk.put_away()

    def directory(self, state: dict[str, Any]) -> Path:
        """The working directory of the steps: the instance's, unless `working_directory` names another."""
        named = self.walk.directory
        return self.store.directory / str(setting(state, "working_directory", "") if named is None else named)

    def _picture(self) -> list[Subscriber]:
        if not self.engine.draw:
            return []
        from .live_picture import GraphPicture

        return [GraphPicture()]

    def _asked_to_stop(self, signal: str) -> None:
        self.events.tell("stop_requested", *self.walk.where()[:2], signal=signal)

    @contextmanager
    def _deferring(self) -> Iterator[None]:
        """While the engine runs, the JSON may lag behind the journal a little."""
        self.file.deferring = True
        try:
            yield
        finally:
            self.file.deferring = False

    def _record_start(self) -> None:
        with self.file.transaction(ENGINE, later=True) as tx:
            undone = self.walk.take_back(tx)
            put(tx, "step_engine_instance_path", str(self.store.directory))
            put(tx, "step_engine_state", "STARTUP")
            put(tx, "run_id", self.run_id)
            for key in ("ended_by", "pause_reason"):
                if tx.peek((GLOBAL, key), MISSING) is not MISSING:
                    tx.delete((GLOBAL, key))
            self.walk.record_start(tx)
        for name, places in undone:
            log.warning("cut off: %s; what had been done to ctx was undone: %s", name, ", ".join(places))

    def _end(self, ending: Ending) -> RunResult:
        self.walk.record_end(ending)
        node, visit, state = self.walk.where()
        result = RunResult(
            ending.status,
            ending.ended_by,
            self.tally.steps,
            self.run_id,
            node,
            state,
            time.monotonic() - self.started,
            ending.reasons,
            self.walk.error,
            self.tally.timings,
            self.resumed,
            self.steps,
            directory=str(self.store.directory),
        )
        self.file.flush()
        self.file.deferring = False
        self.events.tell("run_ended", node, visit, result=result)
        return result

    def _abandon(self, ending: Ending) -> NoReturn:
        """A body cannot be ended: the state is written, and the process with the body in it ends with 1."""
        try:
            self._end(ending)
            self.log.line(f"{ending.reasons[0]}: the process ends")
            sys.stdout.flush()
            shown = quoted(self.engine.instance)
            sys.stderr.write(f"octo: {ending.reasons[0]}\nnext:\n  octo logs {shown}\n  octo run {shown}\n")
            sys.stderr.flush()
        finally:
            os._exit(1)


# -- settings ----------------------------------------------------------------------------------------


def library_of(state: Any, directory: Path, shown: str | Path) -> Path:
    """The instance's step library; a relative path starts at the instance. UsageError where none is set."""
    library = str(setting(state, "step_engine_library_path", ""))
    if not library and setting(state, "recipe_path", None) is not None:
        raise UsageError(f"{shown} runs a recipe, not a step library",
                         hints=[f"octo run {quoted(shown)}", "octo.recipe.run.run_instance(DIR) from Python"])
    if not library:
        raise UsageError(f"{shown} names no step library",
                         hints=[f"octo params {quoted(shown)} {GLOBAL} step_engine_library_path LIB"])
    return Path(os.path.normpath(directory / library))


def new_run_id() -> str:
    """The time and four random digits: 20250131T235959-1f3a."""
    return f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}"


def _number(state: Any, key: str) -> int:
    value = setting(state, key, 0)
    if type(value) is not int or value < 0:
        raise UsageError(f"{GLOBAL}/{key} is a whole number, 0 or more; it is {value!r}")
    return value


@contextmanager
def _working_directory(directory: Path) -> Iterator[str]:
    """Go to the working directory of the steps and come back; gives its real path.

    A process has one working directory, so runs with different ones cannot share it.
    """
    global _directory, _directory_before, _directory_users
    if not directory.is_dir():
        raise UsageError(f"the working directory {directory} is not there")
    real = os.path.realpath(directory)
    with _directory_lock:
        if _directory_users and real != _directory:
            raise UsageError(
                f"{_directory} is being run in this process; run {directory} in a process of its own, "
                "for instance with octo run"
            )
        if not _directory_users:
            _directory, _directory_before = real, _current_directory() or real
            os.chdir(real)
        _directory_users += 1
    try:
        yield real
    finally:
        with _directory_lock:
            _directory_users -= 1
            if not _directory_users:
                os.environ.pop(ENVIRONMENT_NAME, None)
                with suppress(FileNotFoundError):  # somebody removed where we came from
                    os.chdir(_directory_before)


def _current_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""
