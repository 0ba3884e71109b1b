"""The counter loop in Burr: an application with `SQLitePersister`.

The state is saved after each action, before the next one starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from burr.core import Application, ApplicationBuilder, Condition, State, action, default
from burr.core.persistence import SQLitePersister

from bench.ballast import ballast
from bench.others import capped_loop, found_of


def run(
    where: Path,
    *,
    steps: int,
    mib: float = 0,
    form: str = "rows",
    most_seconds: float = 600,
    most_disk: int = 2**40,
) -> dict[str, Any]:
    @action(reads=["n"], writes=["n"])
    def count(state: State) -> State:
        loop.tick()
        return state.update(n=state["n"] + 1)

    @action(reads=[], writes=[])
    def done(state: State) -> State:
        return state

    def again(state: State) -> bool:
        return loop.more()

    persister = SQLitePersister(db_path=str(where / "burr.sqlite"))
    persister.initialize()
    application: Application[Any] = (
        ApplicationBuilder()
        .with_actions(count=count, done=done)
        .with_transitions(("count", "count", Condition.lmda(again, ["n"])), ("count", "done", default))
        .with_identifiers(app_id="bench")
        .initialize_from(
            persister,
            resume_at_next_action=True,
            default_state={"n": 0, "ballast": ballast(mib, form)},
            default_entrypoint="count",
        )
        .with_state_persister(persister)
        .build()
    )
    loop = capped_loop(where, steps, most_seconds, most_disk)
    _, _, state = application.run(halt_before=["done"])
    return found_of(loop, state["n"], where, "apache-burr", persister.connection)
