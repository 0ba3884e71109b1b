"""From a step node class and its dicts to `NodeSpec`s, with every mistake in the dicts noted on the way."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octo.engine.graph import Arrow, NodeSpec
from octo.engine.source import Source
from octo.errors import Problem

NODE_DICT = "step_node_graph_dict"
ARROW_DICT = "step_arrow_graph_dict"
RETRY_KEYS = ("attempts", "delay", "backoff", "max_delay", "exceptions")


def describe(cls: type, module: str, problems: list[Problem]) -> list[NodeSpec]:
    """The nodes of one class: one for each key of its `step_node_graph_dict`, or one with the defaults.

    `module` is the library module that brings the class. What is wrong is added to `problems`; a node
    is given back all the same, so that the mistakes of other nodes can be found too.
    """
    return _Description(cls, module, problems).nodes()


class _Description:
    def __init__(self, cls: type, module: str, problems: list[Problem]) -> None:
        self.cls = cls
        self.module = module
        self.problems = problems
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        self.path = Path(file or module + ".py")
        self.source = Source(self.path)

    def problem(self, message: str, variable: str, *keys: str) -> None:
        # A dict that is inherited has its line in another class; the line of this class will do then.
        line = self.source.key_line(self.cls.__name__, variable, *keys)
        self.problems.append(Problem(self.path, line, message))

    def mapping(self, value: object, what: str, variable: str, *keys: str) -> dict[str, Any]:
        """`value` as a dict with text keys; None counts as an empty one."""
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            self.problem(f"{what} must be a dict with text keys", variable, *keys)
            return {}
        return dict(value)

    def nodes(self) -> list[NodeSpec]:
        cls = self.cls
        if not callable(getattr(cls, "step_execute", None)):
            self.problem(f"class {cls.__name__} has no method step_execute", "")
        listed = self.mapping(getattr(cls, NODE_DICT, None), NODE_DICT, NODE_DICT)
        own_name = getattr(cls, "name", None)
        if not listed:
            name = own_name if isinstance(own_name, str) and own_name else cls.__name__
            return [self.node(name, {}, self.source.class_line(cls.__name__))]
        if len(listed) == 1 and isinstance(cls.__dict__.get("name"), str):
            self.agree(next(iter(listed)), cls.__dict__["name"], "the class attribute name", "name")
        nodes = []
        for name, entry in listed.items():
            line = self.source.key_line(cls.__name__, NODE_DICT, name)
            nodes.append(
                self.node(name, self.mapping(entry, f"{NODE_DICT}[{name!r}]", NODE_DICT, name), line)
            )
        return nodes

    def agree(self, name: str, other: str, what: str, variable: str, *keys: str) -> None:
        if other != name:
            self.problem(f"node {name!r}: {what} says {other!r}; they must agree", variable, *keys)

    def node(self, name: str, entry: dict[str, Any], line: int) -> NodeSpec:
        def flag(key: str, default: bool = False) -> bool:
            return self.flag(entry, key, f"node {name!r}", default, NODE_DICT, name)

        if "node_step_name_string" in entry:
            spelt, key = entry["node_step_name_string"], "node_step_name_string"
            self.agree(name, spelt, key, NODE_DICT, name, key)
        if entry.get("module_name_string") not in (None, "", self.module, self.cls.__module__):
            self.problem(
                f"node {name!r}: module_name_string says {entry['module_name_string']!r}, but the module is "
                f"{self.module!r}",
                *(NODE_DICT, name, "module_name_string"),
            )
        return NodeSpec(
            name=name,
            module=self.module,
            cls=self.cls,
            path=self.path,
            line=line,
            attrs=self.mapping(
                entry.get("dg_node_attr_dict"),
                f"node {name!r}: dg_node_attr_dict",
                NODE_DICT,
                name,
                "dg_node_attr_dict",
            ),
            first=flag("first_node_step_bool"),
            active=flag("active_node_step_bool", True),
            skip_execute=flag("skip_step_node_execute_bool"),
            entry_breakpoint=flag("node_entry_breakpoint"),
            exit_breakpoint=flag("node_exit_breakpoint"),
            retry=self.retry(name, entry.get("retry")),
            timeout=self.timeout(name, entry.get("timeout")),
            resume_at_entry=flag("resume_at_entry_bool"),
            params_init=self.init("step_node_params_dict_init"),
            results_init=self.init("step_node_results_dict_init"),
            arrows=self.arrows(name),
            fingerprint=self.source.fingerprint,
        )

    def flag(self, entry: dict[str, Any], key: str, whose: str, default: bool, *place: str) -> bool:
        value = entry.get(key, default)
        if not isinstance(value, (bool, int)) or value not in (0, 1):
            self.problem(f"{whose}: {key} must be 0 or 1, not {value!r}", *place, key)
            return default
        return bool(value)

    def init(self, variable: str) -> dict[str, Any]:
        groups = self.mapping(getattr(self.cls, variable, None), variable, variable)
        return {
            group: self.mapping(values, f"{variable}[{group!r}]", variable, group)
            for group, values in groups.items()
        }

    def arrows(self, source: str) -> dict[str, Arrow]:
        arrows = {}
        for key, value in self.mapping(getattr(self.cls, ARROW_DICT, None), ARROW_DICT, ARROW_DICT).items():
            entry = self.mapping(value, f"{ARROW_DICT}[{key!r}]", ARROW_DICT, key)
            module = entry.get("module_name_string") or ""
            target = entry.get("arrow_step_name_string") or module
            if not (isinstance(target, str) and target and isinstance(module, str)):
                self.problem(f"arrow {key!r} must name its target in arrow_step_name_string", ARROW_DICT, key)
                continue
            attrs = entry.get("dg_edge_attr_dict")
            arrows[key] = Arrow(
                key=key,
                source=source,
                target=target,
                module=module,
                attrs=self.mapping(
                    attrs, f"arrow {key!r}: dg_edge_attr_dict", ARROW_DICT, key, "dg_edge_attr_dict"
                ),
                active=self.flag(entry, "active_arrow_step_bool", f"arrow {key!r}", True, ARROW_DICT, key),
            )
        return arrows

    def timeout(self, name: str, value: object) -> float | None:
        if value is None:
            return None
        if not _number(value) or float(value) <= 0:  # type: ignore[arg-type]
            self.problem(
                f"node {name!r}: timeout must be a number of seconds above 0, not {value!r}",
                NODE_DICT,
                name,
                "timeout",
            )
            return None
        return float(value)  # type: ignore[arg-type]

    def retry(self, name: str, value: object) -> dict[str, Any] | int | None:
        wrong = _wrong_retry(value)
        if wrong:
            self.problem(f"node {name!r}: {wrong}", NODE_DICT, name, "retry")
            return None
        return dict(value) if isinstance(value, Mapping) else value  # type: ignore[return-value]


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wrong_retry(value: object) -> str:
    """What is wrong with a node's `retry`; empty when nothing is."""
    if value is None:
        return ""
    if not isinstance(value, Mapping):
        good = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        return "" if good else f"retry must be a number of tries (1 or more) or a dict, not {value!r}"
    for key, item in value.items():
        if key not in RETRY_KEYS:
            return f"retry has no {key!r}; it takes {', '.join(RETRY_KEYS)}"
        if key == "attempts" and (not isinstance(item, int) or isinstance(item, bool) or item < 1):
            return f"retry attempts must be a number of tries, 1 or more, not {item!r}"
        if key == "exceptions" and not _exceptions(item):
            return f"retry exceptions must be names or exception classes, not {item!r}"
        if key in ("delay", "backoff", "max_delay") and not (_number(item) and item >= 0):
            return f"retry {key} must be a number, 0 or more, not {item!r}"
    return ""


def _exceptions(value: object) -> bool:
    items = value if isinstance(value, (list, tuple)) else [value]
    return all(isinstance(i, str) or (inspect.isclass(i) and issubclass(i, BaseException)) for i in items)
