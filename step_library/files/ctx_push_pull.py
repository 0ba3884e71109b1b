"""A value of ctx to an HTTP server as JSON (push), or from one into ctx (pull): with time-out, tries and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from octo.context import Context
from octo.engine.retry import Retry
from octo.errors import InvalidValue, MissingKey, ShapeError, UsageError, nearest
from octo.param import MissingParam
from octo.scriptlet import Param, scriptlet
from step_library.kit.net.environment import shown, with_secrets
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, described, plain
from step_library.kit.values.json_values import json_cell
from step_library.kit.values.ranges import at_least

if TYPE_CHECKING:
    import requests

METHODS = {"push": "POST", "pull": "GET"}


@scriptlet(
    params=[
        Param("url", "str", help="where it goes to or comes from; ${NAME} in it is taken from the environment"),
        Param("key", "str | null", None, "key of ctx that is sent or received; its name in the JSON too"),
        Param("action", "str", help="push (send) or pull (receive); anything else does nothing"),
        Param("keys", "list[str] | null", None, "instead of key: several, in one call"),
        Param("mode", "str", "all", "of several keys all have to be there, or those that are there will do (any)",
              choices=("all", "any")),
        Param("path", "str | null", None, "where in the JSON the value stands, such as data/items/0, if not under its "
              "key; '': it is the whole JSON; of several keys the dict that has them"),
        Param("transform_fn", "callable | null", None, "function of the value that returns what is sent, or kept"),
        Param("method", "str | null", None, "HTTP method; without it POST to push and GET to pull",
              choices=("GET", "POST", "PUT", "PATCH", "DELETE")),
        Param("headers", "dict[str, str]", {}, "HTTP headers; secrets as ${NAME} from the environment: {Authorization: "
              "'Bearer ${API_TOKEN}'}"),
        Param("auth", "str | null", None, "for basic authentication: '${API_USER}:${API_PASSWORD}'"),
        Param("timeout", "float", 30.0, "seconds for one try"),
        Param("attempts", "int", 1, "tries in all, where there is no answer, or one of 429, 500, 502, 503, 504"),
        Param("delay", "float", 1.0, "seconds before the second try"),
        Param("backoff", "float", 2.0, "each further delay is so many times as long"),
        Param("fail_on_error", "bool", False, "push: an answer of 400 or above is an error; for pull it always is"),
        Param("event", "str | null", None, "name of an event in ctx['events'] that tells of the success"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Send `{key: ctx[key]}`: {"status": HTTP status, "ok": below 400}; or put what comes into ctx: {"pulled": key}.

    Raises MissingKey for a key that ctx or the answer lacks, HttpFailed (a requests.RequestException) without an
    answer, HttpRefused (one too) for one of 400 or above, and NotJson (a ValueError). No message shows a secret.
    """
    action = params["action"]
    if (params["key"] is None) == (params["keys"] is None):
        if params["key"] is not None:
            raise UsageError("'key' and 'keys' are two ways to say one thing: give one of them")
        raise MissingParam("parameter 'key' is missing: key of ctx that is sent or received")
    if action not in METHODS:
        return {"status": "noop"}
    at_least("attempts", params["attempts"], 1)
    if params["delay"] < 0 or params["backoff"] < 0:
        raise UsageError("delay and backoff are 0 or more")
    if action == "push":
        result = _push(ctx, params)
    else:
        result = _pull(ctx, params)
    if params["event"] is not None and result.get("ok", True):
        payload = {"url": shown(params["url"]), "keys": params["keys"] or [params["key"]], **result}
        records.event(ctx, params["event"], "ctx_push_pull", payload)
    return result


def _push(ctx: Ctx, params: Mapping[str, Any]) -> dict[str, Any]:
    from octo.store.values import dumps
    from step_library.kit.net.http import checked

    path = params["path"]
    if params["keys"] is None:
        body = _transformed(params, plain(ctx, params["key"]))
        places = [params["key"]] if path is None else _parts(path)
    else:
        wanted = [key for key in params["keys"] if params["mode"] == "all" or key in ctx]
        body = {key: _transformed(params, plain(ctx, key)) for key in wanted}
        places = _parts(path)
    for place in reversed(places):
        body = {place: body}
    try:
        data = dumps(body)  # NaN is null
    except InvalidValue as error:
        raise ShapeError(f"ctx[{params['key'] or params['keys']!r}] cannot be sent as JSON: {error}") from None
    answer = _called(ctx, params, data)
    if params["fail_on_error"]:
        checked(answer)
    return {"status": answer.status_code, "ok": answer.status_code < 400}


def _pull(ctx: Ctx, params: Mapping[str, Any]) -> dict[str, Any]:
    from step_library.kit.net.http import checked, json_of

    found = json_cell(json_of(checked(_called(ctx, params, None))))
    where = f"the answer of {shown(params['url'])}"
    path, key = params["path"], params["key"]
    if key is not None:
        value = _at(found, [key] if path is None else _parts(path), where)
        ctx[key] = _transformed(params, value)
        return {"pulled": key}
    there = _at(found, _parts(path), where)
    if not isinstance(there, dict):
        raise ShapeError(f"{where} is to have a dict of the keys, not {described(there)}")
    wanted = [name for name in params["keys"] if params["mode"] == "all" or name in there]
    ctx.update({name: _transformed(params, _at(there, [name], where)) for name in wanted})
    return {"pulled": wanted}


def _called(ctx: Ctx, params: Mapping[str, Any], data: bytes | None) -> requests.Response:
    from step_library.kit.net.http import call

    headers = dict(params["headers"])
    more: dict[str, Any] = {}
    if data is not None:
        more["data"] = data
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
    if params["auth"] is not None:
        user, colon, password = params["auth"].partition(":")
        if not colon:
            raise UsageError("auth: it is two names with a colon between them, such as '${API_USER}:${API_PASSWORD}'")
        more["auth"] = tuple(with_secrets(each, "auth") for each in (user, password))
    retry = Retry(params["attempts"], params["delay"], params["backoff"])
    return call(params["method"] or METHODS[params["action"]], params["url"], headers=headers, retry=retry,
                timeout=params["timeout"], stop=ctx.stop if isinstance(ctx, Context) else None, **more)


def _transformed(params: Mapping[str, Any], value: Any) -> Any:
    return value if params["transform_fn"] is None else params["transform_fn"](value)


def _parts(path: str | None) -> list[str]:
    return path.split("/") if path else []


def _at(value: Any, parts: list[str], where: str) -> Any:
    """What stands there in the JSON; MissingKey names the part that is not."""
    for part in parts:
        if isinstance(value, dict):
            if part not in value:
                raise MissingKey(f"{where} has no {part!r}{nearest(part, value)}")
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise MissingKey(f"{where} has no {part!r}: {described(value)} stands there")
    return value


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_push_pull")
