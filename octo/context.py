"""ctx: the data that the steps of a run share, with a history of who changed what and when."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from octo.errors import InvalidValue, NotAvailable, UsageError
from octo.store import MISSING, Author, Change, ParameterStore, Transaction, checked, diff, dumps, running_step
from octo.store.history import changes
from octo.store.memory import MemoryState
from octo.store.values import copied

from . import ctx_take, ctx_text
from .access import Access, passed
from .ctx_changes import Subscription, history_entry, of_key
from .ctx_check import Kind, check_of
from .ctx_merge import OnConflict, merged
from .ctx_text import expose_for_shell
from .live import LiveDict

__all__ = ["Context", "Group", "Scope", "Subscription", "expose_for_shell"]

OUTSIDE = "step_name"
"""Who changes ctx where no step runs, as the documents have it."""
HISTORY = 100_000
"""Records that a Context in memory keeps; an instance's keeps its own limit."""


class Group(LiveDict):
    """A group of the state as a live dict, made with its first value; also a node's params and results."""

    _watched = False  # it is found by its name, whatever is put there

    def _checked(self, value: Any) -> Any:
        return {} if value is MISSING else super()._checked(value)


class Context(Group):
    """The data that steps share: a dict of JSON values whose lists and dicts are live, with its history.

    >>> ctx = Context(rows=[])
    >>> ctx["rows"].append({"cpu": 0.5})
    >>> ctx.get_history("rows")[0]["who"]
    'step_name'

    `Context()` lives in memory, `Context.open(DIR)` is the ctx of an instance; a step is given a handle of
    its own (`ctx`, `self.ctx`), whose changes are in the step's name and undone if it fails. When its
    attempt is over, a change through that handle raises `AttemptEnded`.
    What is no JSON is refused on every way in, by a ValueError that names the place: `rows/3/when`.
    Where `who` can be given it names another author than the handle's.
    """

    def __init__(self, mapping: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), /, *, who: str | None = None,
                 **more: Any) -> None:
        step = None if who else running_step()
        author = Author(who or (step.who if step else OUTSIDE))
        super().__init__(Access(MemoryState({}, limit=HISTORY), author), ("ctx",))
        if mapping or more:
            self.update(mapping, **more)

    @classmethod
    def on(cls, access: Access) -> Context:
        """A handle that reads and writes through `access`."""
        ctx = cls.__new__(cls)
        Group.__init__(ctx, access, ("ctx",))
        return ctx

    @classmethod
    def open(cls, directory: str | Path, who: str | None = None) -> Context:
        """The ctx of the instance in `directory`; UsageError where that is none. A change is in its JSON at once."""
        store, step = ParameterStore(directory), running_step()
        author = store._author(step) or Author(step.who if step else OUTSIDE)
        author = replace(author, who=who) if who else author
        return cls.on(Access(store._state_file, author, later=False))

    # -- changing --------------------------------------------------------------------------------

    def _at(self, key: Any) -> tuple[Any, ...]:
        return (*self._path, self._inner(_name(key)))

    def set(self, key: str, value: Any, who: str | None = None) -> None:
        """Put a value at `key`."""
        with self._access.changing(who) as tx:
            tx.set(self._at(key), value)

    def delete(self, key: str, who: str | None = None) -> None:
        """Remove a key; KeyError where there is none."""
        with self._access.changing(who):
            del self[key]

    def increment(self, key: str, by: Any = 1, who: str | None = None) -> Any:
        """Add to a number (a missing one starts at 0) and return it."""
        with self._access.changing(who) as tx:
            return tx.increment(self._at(key), by)

    def append(self, key: str, *values: Any, who: str | None = None) -> None:
        """Add to the end of a list (a missing one is made)."""
        self.extend(key, values, who)

    def extend(self, key: str, values: Iterable[Any], who: str | None = None) -> None:
        """Add several values to the end of a list, as one change."""
        items = list(values)
        with self._access.changing(who) as tx:
            tx.append(self._at(key), items)

    def record(self, key: str, entry: Any, id: str | None = None, who: str | None = None, *,
               keep: int | None = None) -> None:
        """Keep what happened: append to the list at `key`, or with `id` set it in the dict there.

        A record stays when the call that made it is undone. `keep`: only so many items of the list stay, the newest;
        steps that run in parallel may do that too.
        """
        if keep is not None and (id is not None or keep < 1):
            raise UsageError("record: keep is for a list, and at least 1" if id is None else
                             "record: keep is for a list; an entry with an id stays until it is replaced")
        with self._access.changing(who) as tx:
            if id is None:
                tx.append(self._at(key), [entry], record=True, keep=keep)
            else:
                tx.record((*self._at(key), _name(id)), entry)

    def take(self, key: str, which: Callable[[Any], Any], *, to: str | None = None, limit: int | None = None,
             changed: Callable[[Any], Any] | None = None, who: str | None = None) -> list[Any]:
        """Remove the entries of the list at `key` for which `which(entry)` is true, and return them, oldest first.

        At most `limit` of them. They are added to the list at `to`. What `changed(entry)` returns goes there
        instead, or without `to` stays in the entry's place. A list that is missing is made. Each entry is taken
        once, whichever steps or threads ask for it; it stays taken when the call that took it is undone.
        Meanwhile nobody else can change ctx, so `which` and `changed` only look. Not in a worker process.
        """
        ctx_take.check_can_take(self._access, key)
        with self._access.changing(who) as tx:
            return ctx_take.take(tx, self._at(key), which, to=None if to is None else self._at(to), limit=limit,
                                 changed=changed)

    @contextmanager
    def transaction(self, who: str | None = None) -> Iterator[Context]:
        """Several changes as one; an exception inside drops them all."""
        with self._access.changing(who):
            yield self

    def checkpoint(self) -> None:
        """In a long step: what was done so far stays if the rest of this call fails or is cut off."""
        with self._access.changing() as tx:
            tx.flags["checkpoint"] = self._access.author.call

    @property
    def stop(self) -> threading.Event:
        """Set when the run is asked to stop: a long body should look at it and return."""
        return self._access.stop

    @property
    def in_a_run(self) -> bool:
        """Whether this is a step's handle, and not ctx in memory or an instance's from outside."""
        return self._access.author.visit > 0

    @property
    def in_background(self) -> bool:
        """Whether this is the handle of a background step or of a job, whose changes no call of a step undoes."""
        return self.in_a_run and not self._access.author.call

    @property
    def jobs(self) -> Any:
        """The run's job pool, for a step that returns and leaves work behind: `ctx.jobs.submit(function, params={…})`.

        The function's parameter `ctx` gets a handle of the job's own; the step's ends with the step.
        """
        if self._access.jobs is None:
            raise NotAvailable("ctx.jobs is there in a recipe's steps that run in the run's own process (executor: "
                               "thread); elsewhere nobody would wait for a job")
        return self._access.jobs

    # -- reading ---------------------------------------------------------------------------------

    def plain(self, key: str | None = None) -> Any:
        """A plain copy of the value at `key` (or of all), fast to read; KeyError where there is none."""
        if key is None:
            return super().plain()
        value = self._access.look((*self._path, self._inner(key)), copied)
        if value is MISSING:
            raise KeyError(key)
        return value

    def refresh(self) -> None:
        """See what other programs changed up to now (otherwise after a millisecond at most)."""
        with self._access.file.reading():
            pass

    def scope(self, name: str) -> Scope:
        """The keys that begin with `name.`, as a mapping of its own: `ctx.scope("stage1")["x"]` is `stage1.x`."""
        return Scope._of(self._access, self._inner(_name(name)) + ".")

    def get_history(self, key: str) -> list[dict[str, Any]]:
        """The changes of `key`, oldest first: `{timestamp, value, who}`; inside a value also `op`, `path`."""
        inner = self._inner(key)
        found = changes(self._access.file.lines(), ("ctx", inner), 0)
        mine = (of_key(change, inner) for change in found)
        return [history_entry(change, key) for change in mine if change is not None]

    def last_modified(self, key: str) -> float | None:
        """When `key` was last changed (seconds since 1970); None if it never was."""
        history = self.get_history(key)
        return history[-1]["timestamp"] if history else None

    def to_json(self) -> str:
        """All of it as JSON, indented."""
        return dumps(self.plain(), indent=True).decode()

    def to_md(self) -> str:
        """All of it as a Markdown table."""
        return ctx_text.to_md(self.plain())

    def to_html(self) -> str:
        """All of it as an HTML table."""
        return ctx_text.to_html(self.plain())

    # -- as a whole ------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """A plain copy of all, for `diff` and `restore`."""
        return dict(self.plain())

    def restore(self, snapshot: Mapping[str, Any], who: str | None = None) -> None:
        """Be as `snapshot` again, as one change; what differs not is not touched. Keys it lacks go."""
        new = _whole(snapshot)
        with self._access.changing(who) as tx:
            self._lay(tx, diff(self._now(tx), new))

    def diff(self, before: Mapping[str, Any], after: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The changes that lead from `before` to `after` (to this, if left out): `{op, path, value, old}`."""
        return [dict(op) for op in diff(_whole(before), self.plain() if after is None else _whole(after))]

    def merge(self, other: Mapping[str, Any], on_conflict: OnConflict = "last",
              who: str | None = None) -> list[str]:
        """Take over what `other` holds, as one change; dicts are merged key by key, any other value is one.

        Where both hold different values the other's stands ("last"), or this one's ("first"), or what
        `on_conflict(place, this, other)` returns; "fail" raises CtxClash before anything changes.
        Returns the places where they differed.
        """
        theirs = _whole(other)
        with self._access.changing(who) as tx:
            now = self._now(tx)
            new, places = merged(now, theirs, on_conflict)
            self._lay(tx, diff(now, new))
        return places

    def _now(self, tx: Transaction) -> dict[str, Any]:
        return dict(self._own(self._checked(tx.peek(self._path, MISSING))))

    def _lay(self, tx: Transaction, ops: list[dict[str, Any]]) -> None:
        for op in ops:
            place = (*self._at(op["path"][0]), *op["path"][1:])
            if op["op"] == "delete":
                tx.delete(place)
            else:
                tx.set(place, op["value"])

    # -- being told, and checking ----------------------------------------------------------------

    def check(self, key: str, kind: Kind) -> None:
        """From now on `key` holds a `kind` only: what is there now too; else InvalidValue, and nothing changes.

        `kind`: a class or its name ("list", "dict", "str", "int", "float", "bool", "number", "null"), a
        tuple of these, or a callable that is given a plain copy of the new value. Where it raises or
        returns False the value is refused; None and True let it pass; anything else is kept in its
        place. A check counts for what this handle changes, inside the value as well.
        """
        place, check = self._at(key), check_of(kind)
        with self._access.changing() as tx:
            if tx.peek(place, MISSING) is not MISSING:
                value = tx.get(place)
                kept = passed(check, place[-1], value)
                if diff(value, kept):
                    tx.set(place, kept)
        self._access.checks = {**self._access.checks, place[-1]: check}

    def subscribe(self, key: str, callback: Callable[[Change], object]) -> Subscription:
        """Call `callback` with each change of `key`, once it is recorded, in the thread that made it.

        It is told of what this process changes, through any handle; the change's `path` begins with the key.
        What it raises is logged. It ends with this handle, or by calling what is returned.
        """
        return Subscription(self._access, self._at(key)[-1], _name(key), callback)

    def connect_to_server(self, url: str) -> None:
        """Share this with other machines: not in this version."""
        raise NotAvailable(f"there is no context server in this version to connect to at {url}; the programs "
                           "of one machine share the ctx of an instance by Context.open(DIR)")

    # -- copies ----------------------------------------------------------------------------------

    def __reduce__(self) -> Any:
        mine = {key: value for key, value in vars(self).items() if key not in ("_access", "_place", "_prefix")}
        return _copy_of, (self._kept_class(), self._independent(), self._access.author.who), mine or None

    def _kept_class(self) -> type[Context]:
        return type(self)

    def _independent(self) -> MemoryState:
        """All of it in memory. The history of a Context in memory goes with it; an instance's stays there."""
        file = self._access.file
        return file if isinstance(file, MemoryState) else MemoryState({"ctx": self.plain()}, limit=HISTORY)

    def __copy__(self) -> Any:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        make, arguments, mine = self.__reduce__()
        made = memo[id(self)] = make(*copy.deepcopy(arguments, memo))
        vars(made).update(copy.deepcopy(mine or {}, memo))
        return made


class Scope(Context):
    """The keys of a ctx that begin with one prefix, without it."""

    _prefix = ""

    @classmethod
    def _of(cls, access: Access, prefix: str) -> Scope:
        scope = cls.__new__(cls)
        Group.__init__(scope, access, ("ctx",))
        scope._prefix = prefix
        return scope

    def _inner(self, key: Any) -> Any:
        return self._prefix + key if isinstance(key, str) else key

    def _own(self, there: Any) -> Any:
        length = len(self._prefix)
        return {key[length:]: value for key, value in there.items() if key.startswith(self._prefix) and key[length:]}

    def __contains__(self, key: object) -> bool:
        return bool(key) and isinstance(key, str) and super().__contains__(key)

    def _kept_class(self) -> type[Context]:
        return Context

    def _independent(self) -> MemoryState:
        return MemoryState({"ctx": self.plain()}, limit=HISTORY)


def _copy_of(cls: type[Context], state: MemoryState, who: str) -> Context:
    return cls.on(Access(state, Author(who)))


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """A plain checked copy of a mapping that stands for a whole ctx."""
    if not isinstance(values, Mapping):
        raise InvalidValue(f"a whole ctx is a mapping, not {type(values).__name__}")
    new = checked(dict(values))
    for key in new:
        _name(key)
    return dict(new)


def _name(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise InvalidValue(f"a key of ctx is text, and not empty: {key!r}")
    return key
