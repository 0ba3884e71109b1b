"""ctx_cache: computed once, then taken from ctx."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, StepFailed
from step_library.state import ctx_cache
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


class Counted:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def add(self, a: int, b: int = 0) -> list[int]:
        self.calls += 1
        return [a + b, self.calls]


def cache(ctx: Any, fn: Any, key: str = "sum", **more: Any) -> Any:
    return ctx_cache.run(ctx, {"key": key, "compute_fn": fn, **more})


def test_it_is_computed_once(ctx: Any) -> None:
    it = Counted()
    assert cache(ctx, it.add, args={"a": 40, "b": 2}) == {"cached": False, "value": [42, 1]}
    assert cache(ctx, it.add, args={"a": 40, "b": 2}) == {"cached": True, "value": [42, 1]}
    assert cache(ctx, it.add, args={"a": 1}) == {"cached": True, "value": [42, 1]} and it.calls == 1
    assert ctx["_cache_metadata"]["sum"]["base"] == "sum" and ctx["sum"] == [42, 1]
    assert cache(ctx, it.add, args={"a": 1}, refresh=True) == {"cached": False, "value": [1, 2]}


def test_a_key_that_is_there_for_another_reason_counts(ctx: Any) -> None:
    ctx["none"], ctx["sum"] = None, 1
    for key in ("none", "sum"):
        assert cache(ctx, Counted().add, key, expire_sec=0)["cached"]
    assert "_cache_metadata" not in ctx


def test_it_expires(ctx: Any) -> None:
    it = Counted()
    cache(ctx, it.add, args={"a": 1})
    assert cache(ctx, it.add, args={"a": 1}, expire_sec=3600)["cached"]
    ctx["_cache_metadata"]["sum"]["computed"] -= 3601
    assert cache(ctx, it.add, args={"a": 1})["cached"]
    assert cache(ctx, it.add, args={"a": 1}, expire_sec=3600) == {"cached": False, "value": [1, 2]}
    assert cache(ctx, it.add, args={"a": 1}, expire_sec=3600)["cached"]


def test_a_value_for_each_arguments_and_code(ctx: Any) -> None:
    it = Counted()
    found = [cache(ctx, it.add, args=args, by=["args"]) for args in (
        {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2}, {"a": 1, "b": 2})]
    assert [(one["cached"], one["value"][0]) for one in found] == [(False, 3), (True, 3), (False, 2), (True, 3)]
    assert found[0]["key"] != found[2]["key"] and found[0]["key"].startswith("sum_") and "sum" not in ctx
    assert not cache(ctx, it.add, args={"a": 2}, by=["args"], salt="other")["cached"]

    def one(a: int) -> int:
        return a

    def other(a: int) -> int:
        return a + 1

    keys = [cache(ctx, fn, "k", args={"a": 1}, by=["code"])["key"] for fn in (one, other, one)]
    assert keys[0] == keys[2] != keys[1]
    assert not cache(ctx, other, "k", args={"a": 1}, by=["args"])["cached"]
    with pytest.raises(ShapeError, match="needs arguments that are JSON"):
        cache(ctx, one, args={"a": {1}}, by=["args"])


def test_parameterised_keys(ctx: Any) -> None:
    def filter_above(lst: list[int], threshold: int) -> list[int]:
        return [x for x in lst if x > threshold]

    ctx["values"] = [1, 7, 12, 30]
    for cached in (False, True):
        found = [cache(ctx, filter_above, f"filtered_{threshold}", args={"lst": ctx["values"], "threshold": threshold})
                 for threshold in (5, 10, 20)]
        assert found == [{"cached": cached, "value": value} for value in ([7, 12, 30], [12, 30], [30])]
    assert ctx["filtered_10"] == [12, 30]


def test_the_oldest_go(ctx: Any) -> None:
    it = Counted()
    ctx["mine"] = 1
    for key in "abcd":
        cache(ctx, it.add, key, args={"a": 1}, max_entries=2)
    assert set(ctx) == {"mine", "c", "d", "_cache_metadata"} and list(ctx["_cache_metadata"]) == ["c", "d"]


def test_hits_are_counted_on_request(ctx: Any) -> None:
    it = Counted()
    cache(ctx, it.add, args={"a": 1})
    for _ in range(2):
        cache(ctx, it.add, args={"a": 1}, stats=True)
    cache(ctx, it.add, args={"a": 1})
    assert ctx["_cache_metadata"]["sum"]["hits"] == 2


def test_a_function_that_needs_ctx(ctx: Any) -> None:
    ctx["raw"] = [1, 90, 100]
    assert cache(ctx, lambda ctx, raw_data_key, threshold: [x for x in ctx[raw_data_key] if x > threshold], "f",
                 args={"raw_data_key": "raw", "threshold": 80})["value"] == [90, 100]
    assert cache(ctx, "tests.steps.test_ctx_cache:triple", "t", args={"n": 2})["value"] == 6


def triple(n: int) -> int:
    return n * 3


def test_what_it_raises_is_passed_on_and_nothing_kept(ctx: Any) -> None:
    def bad() -> None:
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        cache(ctx, bad)
    assert ctx == {}


def test_what_a_context_cannot_hold() -> None:
    ctx = Context()
    with pytest.raises(ShapeError, match="returned set .*which ctx cannot hold"):
        cache(ctx, lambda: {1, 2})
    assert ctx == {}


def test_two_threads_compute_one_key_once(ctx: Any) -> None:
    calls: list[int] = []
    go = threading.Event()

    def slow() -> int:
        calls.append(1)
        assert go.wait(30)
        return 7

    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(cache(ctx, slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and sorted(one["cached"] for one in found) == [False, True, True, True]


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({}, {"compute_fn": len}, KeyError, "'key' is missing"),
    ({}, {"key": "k"}, KeyError, "'compute_fn' is missing"),
    ({}, {"key": "", "compute_fn": len}, ValueError, "not empty"),
    ({}, {"key": "k", "compute_fn": "no_such_module:f"}, OctoError, "no_such_module"),
    ({}, {"key": "k", "compute_fn": "!!python/name:m.f"}, OctoError, "m"),
    ({}, {"key": "k", "compute_fn": triple, "args": [1]}, ValueError, "'args' is to be dict"),
    ({}, {"key": "k", "compute_fn": triple, "args": {"m": 1}}, OctoError, "m"),
    ({}, {"key": "k", "compute_fn": triple, "by": ["arg"]}, ValueError, "did you mean args?"),
    ({}, {"key": "k", "compute_fn": triple, "max_entries": 0}, OctoError, "1 or more"),
    ({"_cache_metadata": 1}, {"key": "k", "compute_fn": triple}, ValueError, "is to be a dict, not int 1"),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception], words: str) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(error) as caught:
            ctx_cache.run(ctx, params)
        assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == there


def test_in_a_recipe_over_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def slow(n):
            Path("calls").open("a").write("x")
            return [n] * n
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: first, function: ctx_cache, params: {key: k, compute_fn: "BODY:slow", args: {n: 3}}}
          - {name: gate, module: BODY, function: gate, depends_on: first}
          - {name: again, function: ctx_cache, depends_on: gate,
             params: {key: k, compute_fn: "BODY:slow", args: {n: 3}}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["k"] == [3, 3, 3] and (project.folder / "calls").read_text() == "x"


def test_waiting_ends_when_the_run_is_to_stop() -> None:
    ctx = Context()
    begun, go = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        assert go.wait(60)
        return 1

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ctx_cache.run, ctx, {"key": "k", "compute_fn": slow})
        assert begun.wait(60)
        second = pool.submit(ctx_cache.run, ctx, {"key": "k", "compute_fn": slow, "wait": 600})
        ctx.stop.set()
        with pytest.raises(StepFailed, match="when the run was to stop"):
            second.result(60)
        go.set()
        assert first.result(60) == {"cached": False, "value": 1}
