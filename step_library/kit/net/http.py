"""HTTP calls of steps: with a time-out, tried again where that can help, errors that name the place but no secret.

Import it where it is used, not at the top of a step: it needs requests.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from octo.engine.retry import Retry
from octo.errors import NotAvailable, OctoError, UsageError

from .environment import shown, with_secrets

try:
    import requests
except ImportError:
    raise NotAvailable("this step needs requests", hints=["pip install 'octo-step-engine[net]'"]) from None

TIMEOUT = 30.0
"""Seconds for one try, where a step says nothing else."""

ONCE = Retry()

_PLACE = "place_as_given"
"""Of an answer: what was called, with each `${NAME}` as it was given; in `url` the environment's values stand."""

PASSING = (429, 500, 502, 503, 504)
"""Answers that a new try may better."""


class HttpFailed(OctoError, requests.RequestException):
    """No answer: no connection, no such host, too late."""

    def __init__(self, message: str) -> None:
        OctoError.__init__(self, message)
        self.request = self.response = None

    def __str__(self) -> str:
        return self.message


class HttpTimeout(HttpFailed, requests.Timeout):
    """No answer in time."""


class HttpRefused(HttpFailed, requests.HTTPError):
    """An answer of 400 or above; `status` is its number."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotJson(OctoError, ValueError):
    """An answer that is no JSON."""


def call(method: str, url: str, *, headers: Mapping[str, str] | None = None, timeout: float = TIMEOUT,
         retry: Retry = ONCE, stop: threading.Event | None = None, **more: Any) -> requests.Response:
    """The answer, whatever its status; HttpFailed where there is none after all tries.

    `${NAME}` in the URL and the headers comes from the environment. Without an answer, and with one of `PASSING`, it
    is tried again as `retry` says; `stop` ends the waiting. `more` goes to `requests.request` (json, data, params).
    """
    if timeout <= 0:
        raise UsageError(f"timeout: it is more than 0 seconds, not {timeout:g}")
    place = f"{method} {shown(url)}"
    sent_to, sent_headers = with_secrets(url, "url"), with_secrets(dict(headers or {}), "headers")
    made = 0
    while True:
        made += 1
        try:
            answer = requests.request(method, sent_to, headers=sent_headers, timeout=timeout, **more)
            setattr(answer, _PLACE, place)
            failed: HttpFailed | None = None
            again = answer.status_code in PASSING and made < retry.attempts
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema,
                requests.exceptions.InvalidHeader) as error:
            raise UsageError(f"url: {place} cannot be called: {type(error).__name__}; "
                             "it is to be such as http://host:8080/path") from None
        except requests.Timeout:
            failed = HttpTimeout(f"{place}: no answer within {timeout:g} s{_tries(made)}")
            again = retry.allows(failed, made)
        except requests.RequestException as error:
            failed = HttpFailed(f"{place}: {_reason(error)}{_tries(made)}")
            again = retry.allows(failed, made)
        if not again or (stop or threading.Event()).wait(retry.wait(made)):
            break
    if failed is not None:
        raise failed from None
    return answer


def checked(answer: requests.Response) -> requests.Response:
    """The answer; HttpRefused, with the beginning of what it says, where its status is 400 or above."""
    if answer.status_code >= 400:
        said = " ".join(answer.text[:200].split())
        raise HttpRefused(f"{_place(answer)}: {answer.status_code} {answer.reason}"
                          + (f": {said}" if said else ""), answer.status_code)
    return answer


def json_of(answer: requests.Response) -> Any:
    """The JSON of an answer; NotJson names the place and shows how it begins."""
    try:
        return answer.json()
    except ValueError:
        raise NotJson(f"{_place(answer)}: the answer is no JSON but "
                      f"{answer.text[:60]!r}") from None


def _place(answer: requests.Response) -> str:
    return getattr(answer, _PLACE, None) or f"{answer.request.method} {shown(answer.url)}"


def _tries(made: int) -> str:
    return f" (tried {made} times)" if made > 1 else ""


def _reason(error: requests.RequestException) -> str:
    """Why, in short: the text of requests' own errors has the whole URL."""
    text = str(error).lower()
    for part, reason in (("refused", "the connection was refused: is a server running there?"),
                         ("name or service not known", "there is no such host"), ("resolve", "there is no such host"),
                         ("certificate", "its certificate is not trusted"), ("reset", "the connection was cut")):
        if part in text:
            return reason
    return f"no connection ({type(error).__name__})"
