"""Line numbers in the source of a step library, so that a mistake can be shown where it was made."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path


class Source:
    """One Python file: its fingerprint, and the lines of its classes and of the keys in its dict literals."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_bytes()
            self._body = ast.parse(text).body
        except (OSError, SyntaxError, ValueError):
            # A class may come from a file that is gone or is not Python; then there are no lines to show.
            text, self._body = b"", []
        self.fingerprint = hashlib.sha256(text).hexdigest() if text else ""

    def class_line(self, name: str) -> int:
        """The line of `class name`, 1 when it is made in another way."""
        node = self._class(name)
        return node.lineno if node else 1

    def variable_line(self, name: str) -> int:
        """The line where the module sets `name`, 1 when it is not plain to see."""
        value = _assigned(self._body, name)
        return value.lineno if value else 1

    def key_line(self, cls: str, variable: str, *keys: str) -> int:
        """The line of `keys` in the dict `variable` of class `cls`, or of what is nearest to it."""
        node = self._class(cls)
        if node is None:
            return 1
        line = node.lineno
        value = _assigned(node.body, variable)
        if value is None:
            return line
        line = value.lineno
        for key in keys:
            if not isinstance(value, ast.Dict):
                break
            for key_node, value_node in zip(value.keys, value.values, strict=True):
                if isinstance(key_node, ast.Constant) and key_node.value == key:
                    line, value = key_node.lineno, value_node
                    break
            else:
                break
        return line

    def _class(self, name: str) -> ast.ClassDef | None:
        for node in self._body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node
        return None


def _assigned(body: list[ast.stmt], name: str) -> ast.expr | None:
    for node in body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, (ast.Assign, ast.AnnAssign))
            return node.value
    return None
