"""ctx as people look at it: some of its keys, secrets masked, large values cut, as sorted JSON."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octo.context import Context
from octo.errors import MissingKey, ShapeError, nearest
from octo.store import ParameterStore, current_instance, running_step, spell
from octo.store.files import free_name, time_name
from step_library.kit.text.placeholders import fill, places
from step_library.kit.values.ctx_values import Ctx

MASK = "****"
SECRETS = ("password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "access_key", "private_key",
           "credential", "authorization", "cookie")


def picked(ctx: Ctx, keys: Sequence[str] | None = None, exclude: Sequence[str] | None = None) -> dict[str, Any]:
    """ctx, or these keys of it, without those of `exclude`, as plain data. MissingKey for a key that is not there."""
    for key in keys or ():
        if key not in ctx:
            raise MissingKey(f"keys: ctx has no key {key!r}{nearest(key, ctx)}")
    wanted = [key for key in (ctx if keys is None else dict.fromkeys(keys)) if key not in (exclude or ())]
    if isinstance(ctx, Context):
        return dict(ctx.plain()) if len(wanted) == len(ctx) else {key: ctx.plain(key) for key in wanted}
    return {key: ctx[key] for key in wanted}


def secret_words(given: bool | Sequence[str]) -> tuple[str, ...]:
    """The words of the parameter `mask`: true for those known here, or a list of one's own."""
    return tuple(word.casefold() for word in (SECRETS if given is True else given or ()))


def json_text(value: Mapping[str, Any], *, words: Sequence[str] = (), most: int | None = None) -> str:
    """JSON in ASCII, two blanks a level, keys sorted; NaN is null. ShapeError (a TypeError) names what is none.

    Values of keys with one of `words` in their name are masked, lists and dicts of more than `most` elements cut.
    """
    if not words and most is None:
        try:
            return json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            pass  # below it is found what it was
    return json.dumps(as_shown(value, words, most), indent=2, sort_keys=True)


def fast_json(value: Any) -> str:
    """The same of plain data, without escapes; faster where there is much of it."""
    import orjson

    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a number of more than 64 bits, half a character
        return json.dumps(value, indent=2, sort_keys=True)


def as_shown(value: Any, words: Sequence[str] = (), most: int | None = None, place: tuple[Any, ...] = ()) -> Any:
    """A copy to be shown: masked and cut; ShapeError with the place of what is no JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if len(place) > 200:
        raise ShapeError(f"{spell(place[:4])}/…: nested more than 200 levels deep, or it holds itself")
    if isinstance(value, Mapping):
        kept = list(value.items())
        odd = [key for key, _ in kept if not isinstance(key, str)]
        if odd and (len(odd) < len(kept) or not all(isinstance(key, (int, float)) for key in odd)):
            raise ShapeError(f"{spell(place) or 'ctx'}: the key {odd[0]!r} is no text, so keys cannot be sorted")
        found = {key: MASK if _is_secret(key, words) else as_shown(each, words, most, (*place, key))
                 for key, each in (kept if most is None or not place else kept[:most])}
        if most is not None and place and len(kept) > most:
            found["…" if not odd else -1] = _more(len(kept) - most)
        return found
    if isinstance(value, (list, tuple)):
        shown = value if most is None else value[:most]
        items = [as_shown(each, words, most, (*place, number)) for number, each in enumerate(shown)]
        return items + [_more(len(value) - len(items))] if len(items) < len(value) else items
    raise ShapeError(f"{spell(place)}: {type(value).__name__} is not a JSON value")


def _more(count: int) -> str:
    return f"… {count} more"


def _is_secret(key: Any, words: Sequence[str]) -> bool:
    name = re.sub(r"[-\s]", "_", str(key).casefold())
    return any(word in name for word in words)


def file_name(out: str, stem: str) -> Path:
    """The file that `out` names: its {datetime}, {timestamp}, {step} and {runid} filled in, `auto` a new one in Logs/.

    A name with a time that is taken gets a number, so nothing is overwritten.
    """
    if out == "auto":
        out = f"Logs/{stem}_{{datetime}}.json"
    step = running_step()
    values = {"datetime": time_name(), "timestamp": str(int(time.time())),
              "step": (step.who if step else "step").replace("/", "_"), "runid": (run_id() or "run").replace("/", "_")}
    filled = Path(fill(out, values, "out"))
    return _free(filled) if {"datetime", "timestamp"} & set(places(out, "out")) else filled


def _free(path: Path) -> Path:
    """The path, or with a number before its suffixes."""
    if not path.exists():
        return path
    name, dot, suffixes = path.name.partition(".")
    return path.with_name(free_name(path).name) if not dot else next(
        other for number in range(2, 1_000_000)
        if not (other := path.with_name(f"{name}-{number}.{suffixes}")).exists())


def run_id() -> str:
    """The id of the run that this is a part of; empty outside of one."""
    instance = current_instance()
    if instance is None:
        return ""
    settings = ParameterStore(instance).read().get("global_parameters")
    return str(settings.get("run_id") or "") if isinstance(settings, dict) else ""
