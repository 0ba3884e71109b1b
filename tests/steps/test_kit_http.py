"""HTTP calls of steps, against a real server."""

from __future__ import annotations

import socket
import time

import pytest

from octo.engine.retry import Retry
from octo.errors import UsageError
from step_library.kit.net.environment import shown
from step_library.kit.net.http import HttpFailed, HttpRefused, HttpTimeout, NotJson, call, checked, json_of
from tests.steps.local_http import local_http


def test_a_secret_goes_over_the_wire_and_into_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "s3cret")
    with local_http(lambda asked: (404, {"why": "none"})) as server:
        answer = call("POST", server.url + "/x?key=${TOKEN_OF_TEST}", json={"a": 1},
                      headers={"Authorization": "Bearer ${TOKEN_OF_TEST}"})
        with pytest.raises(HttpRefused) as raised:
            checked(answer)
        with pytest.raises(HttpRefused, match=r"GET http://127.0.0.1:\d+/hooks/\$\{TOKEN_OF_TEST\}: 404") as in_path:
            checked(call("GET", server.url + "/hooks/${TOKEN_OF_TEST}"))
        with pytest.raises(NotJson, match=r"/hooks/\$\{TOKEN_OF_TEST\}: the answer") as no_json:
            json_of(call("HEAD", server.url + "/hooks/${TOKEN_OF_TEST}"))
    assert "s3cret" not in str(in_path.value) + str(no_json.value) and server.asked[1].path == "/hooks/s3cret"
    asked = server.asked[0]
    assert asked.headers["Authorization"] == "Bearer s3cret" and asked.path == "/x?key=s3cret"
    assert asked.json == {"a": 1}
    assert raised.value.status == 404 and "s3cret" not in str(raised.value) and "/x: 404 Not Found" in str(raised.value)
    with pytest.raises(UsageError, match="headers: the environment has no NOT_SET_AT_ALL"):
        call("GET", server.url, headers={"A": "${NOT_SET_AT_ALL}"})


def test_what_may_pass_is_tried_again() -> None:
    statuses = [503, 500, 200]
    with local_http(lambda asked: (statuses.pop(0), [1])) as server:
        assert json_of(call("GET", server.url, retry=Retry(attempts=3, delay=0.01))) == [1]
    assert len(server.asked) == 3


def test_no_answer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(HttpFailed, match=r"GET http://127.0.0.1:\d+/a: the connection was refused.*tried 2 times"):
        call("GET", f"http://user:word@127.0.0.1:{port}/a?b=c", retry=Retry(attempts=2))
    with pytest.raises(UsageError, match="url:"):
        call("GET", "no url")


def test_too_late_and_no_json() -> None:
    with local_http(lambda asked: (time.sleep(0.3), (200, b"<html>"))[1]) as server:
        with pytest.raises(HttpTimeout, match="no answer within 0.05 s"):
            call("GET", server.url, timeout=0.05)
        with pytest.raises(NotJson, match="<html>"):
            json_of(call("GET", server.url))


def test_what_a_message_shows_of_a_url() -> None:
    assert shown("https://a:b@host:1/p/q?k=v#f") == "https://host:1/p/q"
    assert shown("${HOOK}/x?k=v") == "${HOOK}/x" and shown("localhost:80/x") == "localhost:80/x"
    assert shown("user:word@host:6379/0") == "the URL"  # without a scheme it is not known what is what
