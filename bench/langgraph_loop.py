"""The counter loop in LangGraph: `StateGraph` with `SqliteSaver`, `durability="sync"`.

A checkpoint is written before the next step starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from bench.ballast import ballast
from bench.others import capped_loop, found_of


class State(TypedDict):
    n: int
    ballast: Any


def run(
    where: Path,
    *,
    steps: int,
    mib: float = 0,
    form: str = "rows",
    most_seconds: float = 600,
    most_disk: int = 2**40,
) -> dict[str, Any]:
    def count(state: State) -> dict[str, int]:
        loop.tick()
        return {"n": state["n"] + 1}

    def again(state: State) -> str:
        return "count" if loop.more() else END

    builder = StateGraph(State)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    builder.add_conditional_edges("count", again, ["count", END])
    weight = ballast(mib, form)
    with SqliteSaver.from_conn_string(str(where / "checkpoints.sqlite")) as saver:
        graph = builder.compile(checkpointer=saver)
        loop = capped_loop(where, steps, most_seconds, most_disk)
        answer = graph.invoke(
            {"n": 0, "ballast": weight},
            {"configurable": {"thread_id": "bench"}, "recursion_limit": steps + 100},
            durability="sync",
        )
        return found_of(loop, answer["n"], where, "langgraph", saver.conn)
