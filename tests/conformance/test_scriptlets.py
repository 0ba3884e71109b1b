"""The documents' own examples of scriptlets, as printed, in the places that they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from octo.errors import StepFailed
from octo.resolve import on_path, resolve, run_path
from octo.scriptlet import call, mistakes

HELLO_WORLD = '''\
# scriptlets/steps/hello_world.py
from orchestrator.context import Context
from scriptlets.core.base import BaseScriptlet

class HelloWorld(BaseScriptlet):
    def validate(self, ctx: Context, params: dict):
        if "message" not in params:
            raise ValueError("Missing 'message' argument")

    def run(self, ctx: Context, params: dict) -> int:
        self.validate(ctx, params)
        msg = params["message"]
        print(msg)
        ctx.set("hello_world.output", msg, who="hello_world")
        return 0
'''

CUSTOM_PROCESSOR = '''\
from scriptlets.framework import BaseScriptlet, register_scriptlet
from orchestrator.context import Context
from typing import Dict, Any

@register_scriptlet
class CustomProcessorScriptlet(BaseScriptlet):
    """Custom data processing scriptlet with full Framework0 integration."""
    
    def __init__(self) -> None:
        """Initialize processor with configuration."""
        super().__init__()
        self.name = "custom_processor"
        self.version = "1.0"
        
    def run(self, context: Context, params: Dict[str, Any]) -> Dict[str, Any]:
        """Execute custom processing logic."""
        self.logger.info("Starting custom processing")
        
        # Access input data from context
        input_data = context.get("input_data", [])
        
        # Perform processing
        processed_data = self.process_data(input_data)
        
        # Store results in context
        context.set("processed_data", processed_data)
        context.set(f"{self.name}.completed", True)
        
        return {
            "status": "success",
            "records_processed": len(processed_data),
            "execution_time": self.get_execution_time()
        }
        
    def process_data(self, data: list) -> list:
        """Custom data processing logic."""
        return [item * 2 for item in data if item > 0]
'''  # noqa: W293

# What the documents print of package files.
METADATA = '''\
__version__ = "1.2.3"
__author__ = "Project Maintainer"
__description__ = "Automation Orchestrator Framework: shared context for test and analysis recipes."

# List all top-level submodules dynamically
import pkgutil
__all__ = [name for _, name, _ in pkgutil.iter_modules(__path__)]
'''

REGISTRY = '''\
# For 'scriptlets.python.steps'
import importlib
import pkgutil

# Registry to auto-discover all run() functions
step_registry = {}
for loader, module_name, is_pkg in pkgutil.iter_modules(__path__):
    if not is_pkg:
        mod = importlib.import_module(f"{__name__}.{module_name}")
        if hasattr(mod, "run"):
            step_registry[module_name] = mod.run
'''

EXPORTS = '''\
# __init__.py for scriptlets/python/core
from .ctx_logger import run as ctx_logger_run
from .ctx_cache import run as ctx_cache_run

__all__ = ["ctx_logger_run", "ctx_cache_run"]
'''


class Ctx(dict):  # type: ignore[type-arg]
    """As much of a context as the examples use."""

    def set(self, key: str, value: object, who: str = "step_name") -> None:
        self[key] = value


def put(folder: Path, name: str, text: str) -> None:
    """A file of the user's."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def printed(folder: Path, code: str) -> str:
    """What a new Python prints in which `folder` is a run's."""
    start = "from octo.resolve import install, run_path; from pathlib import Path; from octo.scriptlet import *\n"
    start += "from octo.context import Context; install(run_path(None, Path.cwd()))\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def bodies(folder: Path) -> None:
    """The example's one import that these tests do not need: what Context is shows only in annotations."""
    put(folder, "orchestrator/context.py", "class Context(dict): pass\n")


@pytest.mark.parametrize("marked", [True, False])
def test_hello_world(tmp_path: Path, capsys: pytest.CaptureFixture[str], marked: bool) -> None:
    bodies(tmp_path)
    put(tmp_path, "scriptlets/steps/hello_world.py", HELLO_WORLD)
    if marked:
        put(tmp_path, "scriptlets/__init__.py", "")
        put(tmp_path, "scriptlets/steps/__init__.py", "")
    ctx = Ctx()
    with on_path(run_path(tmp_path, tmp_path)):
        target = resolve("scriptlets.steps.hello_world:HelloWorld")
        assert mistakes(target, params={"message": "Hello, World!"}) == []
        assert call(target, ctx, {"message": "Hello, World!"}) == 0
        assert capsys.readouterr().out == "Hello, World!\n"
        assert ctx == {"hello_world.output": "Hello, World!"}
        with pytest.raises(ValueError, match="Missing 'message' argument"):
            call(target, ctx, {})


def test_custom_processor(tmp_path: Path) -> None:
    bodies(tmp_path)
    put(tmp_path, "scriptlets/data/processor.py", CUSTOM_PROCESSOR)
    ctx = Ctx(input_data=[1, -2, 3])
    with on_path(run_path(tmp_path, tmp_path)):
        result = call(resolve("scriptlets.data.processor:CustomProcessorScriptlet"), ctx)
        assert resolve("CustomProcessorScriptlet").__name__ == "CustomProcessorScriptlet"
    assert (result["status"], result["records_processed"]) == ("success", 2)
    assert result["execution_time"] >= 0
    assert ctx["processed_data"] == [2, 6] and ctx["custom_processor.completed"] is True


def test_print_of_the_first_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(resolve("builtins:print"), Ctx(), args=["Hello from Framework0!"]) is None
    assert capsys.readouterr().out == "Hello from Framework0!\n"


def test_a_class_that_returns_other_than_0_fails(tmp_path: Path) -> None:
    put(tmp_path, "scriptlets/steps/judge.py", "class Judge:\n    def run(self, ctx, params): return 1\n")
    with on_path([tmp_path]), pytest.raises(StepFailed):
        call(resolve("scriptlets.steps.judge:Judge"), Ctx())


def test_package_files_as_printed(tmp_path: Path) -> None:
    put(tmp_path, "orchestrator/__init__.py", METADATA)
    put(tmp_path, "orchestrator/mine.py", "")
    put(tmp_path, "scriptlets/python/steps/__init__.py", REGISTRY)
    put(tmp_path, "scriptlets/python/steps/mine_too.py", "def run(ctx, params): return 1")
    put(tmp_path, "scriptlets/python/core/__init__.py", EXPORTS)
    for name in ("ctx_logger", "ctx_cache"):
        put(tmp_path, f"scriptlets/python/core/{name}.py", f"def run(ctx, params): return {name!r}")
    told = printed(
        tmp_path,
        "import orchestrator, scriptlets.framework\n"
        "from scriptlets.python.steps import step_registry\n"
        "from scriptlets.python.core import ctx_logger_run\n"
        "print(orchestrator.__version__, 'mine' in orchestrator.__all__, 'mine_too' in step_registry,"
        " ctx_logger_run(None, None))",
    )
    assert told == "1.2.3 True True ctx_logger"


def test_the_two_paths_of_the_base_class_are_one(tmp_path: Path) -> None:
    assert printed(
        tmp_path,
        "import scriptlets.framework as f, scriptlets.core.base as b\n"
        "print(f.BaseScriptlet is b.BaseScriptlet, f.register_scriptlet is b.register_scriptlet)",
    ) == "True True"
