"""The step engine: what there is (library, graph), which step is next (plan), one step (lifecycle), a run."""

from .engine import Engine
from .events import Event, Subscriber
from .node import StepNode
from .result import RunResult

__all__ = ["Engine", "Event", "RunResult", "StepNode", "Subscriber"]
