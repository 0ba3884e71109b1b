"""Functions named by text: the one place that turns a name into the function or class it stands for.

    package.module:name      package.module.name      package.module (its `run`)      a step's name
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from octo.errors import NameNotFound, nearest

from . import registry
from .run_path import active_directories, install, on_path, run_path
from .shared_names import library_module

__all__ = ["fingerprint", "install", "on_path", "resolve", "run_path", "source_of"]

RUN = "run"


def resolve(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function or class that `target` names; a callable is given back as it is.

    Raises NameNotFound, which tells a module that is not there from one that cannot be imported.
    """
    if not isinstance(target, str):
        if callable(target):
            return target
        raise NameNotFound(f"{target!r} is neither a function nor the name of one, such as package.module:name")
    text = target.strip()
    place, colon, name = text.partition(":")
    names = [*place.split("."), *([] if name in ("", RUN) else name.split("."))]
    if not all(part.isidentifier() for part in names):
        raise NameNotFound(f"{target!r} is no name of a function: write package.module:name, or a step's name")
    if not colon and "." not in place:
        return _bare(place)
    if not colon:
        return _dotted(place)
    module = _module(place)
    if module is None:
        step = library_module(place) if "." not in place else None
        if step is None:
            raise _no_module(place)
        module = importlib.import_module(step)
    return _function(module, name.split(".") if name else [RUN])


def source_of(target: Callable[..., Any]) -> Path | None:
    """The file that a function or class stands in; None for what was not written in Python."""
    import inspect

    while isinstance(target, partial):
        target = target.func
    target = inspect.unwrap(target)
    code = getattr(getattr(target, "__func__", target), "__code__", None)
    file = code.co_filename if code is not None else None
    if file is None:
        owner = target if hasattr(target, "__module__") else type(target)
        file = getattr(sys.modules.get(owner.__module__ or ""), "__file__", None)
    if file is None or not file.endswith((".py", ".pyw")) or not os.path.isfile(file):
        return None
    return Path(os.path.abspath(file))


_known: dict[Path, tuple[tuple[int, int], str]] = {}


def fingerprint(target: Callable[..., Any] | str) -> str:
    """SHA-256 of the target's source file, so that changed code is noticed; empty where there is no file."""
    import hashlib

    path = source_of(resolve(target))
    if path is None:
        return ""
    found = path.stat()
    stamp = found.st_mtime_ns, found.st_size
    if path not in _known or _known[path][0] != stamp:
        _known[path] = stamp, hashlib.sha256(path.read_bytes()).hexdigest()
    return _known[path][1]


# --- the ways to find it


def _bare(name: str) -> Callable[..., Any]:
    """A step's name: what the user has comes before what the library has, a module of Python's last."""
    known = registry.registered()
    if name in known:
        return known[name]
    module = _module(name) if _is_users(name) else None
    if module is not None and callable(getattr(module, RUN, None)):
        return _function(module, [RUN])
    step = library_module(name)
    if step is not None:
        found = _module(step)
        if found is not None:
            return _function(found, [RUN])
    point = registry.entry_points().get(name)
    if point is not None:
        return _checked(_imported(point.load, point.value), point.value)
    failed = registry.load_plugins()
    if name in registry.registered():
        return registry.registered()[name]
    module = module or _module(name)
    if module is not None:
        return _function(module, [RUN])
    more = "".join(f"; {plugin} cannot be imported: {_told(error)}" for plugin, error in failed.items())
    raise NameNotFound(
        f"there is no step and no module {name!r} (looked among the registered steps, the step library, "
        f"the entry points {registry.GROUP!r}, and for a module in {_places()}){more}"
        + nearest(name, [*registry.known_names(), *_own_modules()])
    )


def _dotted(text: str) -> Callable[..., Any]:
    """The longest beginning that is a module; what follows are names in it."""
    parts = text.split(".")
    module = None
    for count in range(1, len(parts) + 1):
        found = _module(".".join(parts[:count]))
        if found is None:
            break
        module, used = found, count
    if module is None:
        raise _no_module(parts[0])
    rest = parts[used:]
    if not rest:
        # `from .load import load` in a package makes a function of the name that the module also has
        named = getattr(sys.modules.get(".".join(parts[:-1])), parts[-1], None)
        if callable(named) and not isinstance(named, ModuleType):
            return named
        return _function(module, [RUN])
    if len(rest) > 1 and not hasattr(module, rest[0]) and hasattr(module, "__path__"):
        raise _no_module(".".join(parts[: used + 1]))
    return _function(module, rest)


def _function(module: ModuleType, names: list[str]) -> Callable[..., Any]:
    found: Any = module
    for name in names:
        if not hasattr(found, name):
            where = _called(found)
            within = getattr(found, "__dict__", {})
            known = [key for key, value in within.items() if callable(value) and not key.startswith("__")]
            if isinstance(found, ModuleType):
                here = [key for key in known if getattr(within[key], "__module__", "") == found.__name__]
                known += _modules_beside(found.__name__)
            else:
                here = known
            near = nearest(name, known) or (f"; it has {', '.join(here[:8])}" if here else "")
            raise NameNotFound(f"{where} has no {name!r}{near}")
        found = getattr(found, name)
    return _checked(found, f"{module.__name__}:{'.'.join(names)}")


def _checked(found: Any, name: str) -> Callable[..., Any]:
    if isinstance(found, ModuleType):
        return _function(found, [RUN])
    if not callable(found):
        raise NameNotFound(f"{name} is of type {type(found).__name__}, neither a function nor a class")
    return found


# --- modules


def _module(name: str) -> ModuleType | None:
    """The module, imported; None where there is none of that name."""
    if name in sys.modules and sys.modules[name] is not None:
        return sys.modules[name]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")) and _is_missing(error):
            return None
        raise NameNotFound(f"module {name!r} cannot be imported: {_told(error)}") from error
    except (Exception, SystemExit) as error:
        raise NameNotFound(f"module {name!r} cannot be imported: {_told(error)}") from error


def _imported(load: Callable[[], Any], name: str) -> Any:
    try:
        return load()
    except (Exception, SystemExit) as error:
        raise NameNotFound(f"{name} cannot be imported: {_told(error)}") from error


def _is_missing(error: ModuleNotFoundError) -> bool:
    """No module of the user's ran before it was raised: it is the name itself that is not there."""
    own = {__file__, importlib.__file__}
    return all(
        frame.filename in own or frame.filename.startswith("<frozen importlib")
        for frame in traceback.extract_tb(error.__traceback__)
    )


def _told(error: BaseException) -> str:
    """The error and the line of the user's code that it comes from."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    own = {__file__, registry.__file__, importlib.__file__}
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in own and not frame.filename.startswith("<frozen importlib")
    ]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text


def _is_users(name: str) -> bool:
    return any(
        os.path.exists(os.path.join(place, name + ".py")) or os.path.isdir(os.path.join(place, name))
        for place in active_directories()
    )


def _no_module(name: str) -> NameNotFound:
    package, _, last = name.rpartition(".")
    if package and _module(package) is None:
        return _no_module(package)
    beside = [f"{package}.{other}" if package else other for other in _modules_beside(package)]
    where = ", ".join(getattr(sys.modules.get(package), "__path__", [])) if package else _places()
    if package and not where:
        return NameNotFound(f"there is no module {name!r}: {package!r} is a module, not a package")
    here = not package and (os.path.isfile(name + ".py") or os.path.isfile(os.path.join(name, "__init__.py")))
    near = "; one is in this directory: with PYTHONPATH=. it is found" if here else nearest(name, beside)
    return NameNotFound(f"there is no module {name!r} (looked in {where}){near}")


def _modules_beside(package: str) -> list[str]:
    if package:
        import pkgutil

        return [found.name for found in pkgutil.iter_modules(getattr(sys.modules.get(package), "__path__", []))]
    return [*_own_modules(), *sys.stdlib_module_names]


def _own_modules() -> list[str]:
    import pkgutil

    return [found.name for found in pkgutil.iter_modules(active_directories())]


def _places() -> str:
    own = active_directories()
    return ", ".join([*own, "what Python has"]) if own else "what Python has"


def _called(found: Any) -> str:
    if isinstance(found, ModuleType):
        file = getattr(found, "__file__", None)
        return f"module {found.__name__!r} ({file})" if file else f"module {found.__name__!r}"
    return repr(getattr(found, "__qualname__", found))
