"""How a step's body is called: its arguments, its parameters' table, and what counts as a failure."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octo.errors import OctoError, StepFailed
from octo.param import type_text
from octo.scriptlet import (
    BaseScriptlet,
    MissingParam,
    Param,
    ParamError,
    ScriptletResult,
    call,
    mistakes,
    params_of,
    register_scriptlet,
    registered,
    scriptlet,
)

CTX: dict[str, Any] = {"the": "ctx"}


def whole(ctx: Any, params: dict[str, Any]) -> Any:
    return ctx, params


def by_name(path: str, context: Any, rows: int = 10) -> Any:
    return path, context, rows


def rest(ctx: Any, first: int, **more: Any) -> Any:
    return first, more


def both(params: dict[str, Any], path: str) -> Any:
    return path, params


# --- arguments


def test_the_ways_to_take_arguments() -> None:
    assert call(whole, CTX, {"a": 1}) == (CTX, {"a": 1})
    assert call(whole, CTX) == (CTX, {})
    assert call(by_name, CTX, {"path": "x"}) == ("x", CTX, 10)
    assert call(rest, CTX, {"first": 1, "second": 2}) == (1, {"second": 2})
    assert call(both, CTX, {"path": "x", "more": 1}) == ("x", {"path": "x", "more": 1})
    assert call(math.sqrt, CTX, {"x": 9}) == 3.0
    assert call(lambda: "nothing", CTX) == "nothing"


def test_a_list_is_passed_as_it_is_without_ctx(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(print, CTX, args=["Hello from", "a recipe"]) is None
    assert capsys.readouterr().out == "Hello from a recipe\n"
    assert call(by_name, CTX, args=["x", "y", 3]) == ("x", "y", 3)


@pytest.mark.parametrize(
    ("target", "given", "told"),
    [
        (by_name, {"params": {"paht": "x"}}, ["unknown parameter 'paht'; did you mean path?", "'path' is missing"]),
        (by_name, {"params": {"path": "x", "ctx": 1}}, ["unknown parameter 'ctx'"]),
        (math.sqrt, {"params": {}}, ["parameter 'x' is missing"]),
        (math.sqrt, {"args": [1, 2]}, ["does not fit"]),
        (whole, {"args": [1]}, ["a list in args is passed without ctx"]),
        (whole, {"params": {"anything": 1}}, []),
        (rest, {"params": {"first": 1, "more": 2}}, []),
        (print, {"args": ["a"]}, []),
        (both, {}, ["parameter 'path' is missing"]),
    ],
)
def test_what_does_not_fit_is_told_before_it_is_called(target: Any, given: dict[str, Any], told: list[str]) -> None:
    found = mistakes(target, **given)
    assert len(found) == len(told), found
    for message, part in zip(found, told, strict=True):
        assert part in message


def test_a_mistake_shows_the_signature_without_ctx() -> None:
    assert mistakes(by_name, params={})[0].endswith("(by_name(path: 'str', rows: 'int' = 10))")


def test_a_call_that_does_not_fit_is_an_error_that_names_the_parameter() -> None:
    with pytest.raises(ParamError, match=r"by_name: unknown parameter 'rosw'; did you mean rows\?"):
        call(by_name, CTX, {"path": "x", "rosw": 1})
    with pytest.raises(MissingParam, match="by_name: parameter 'path' is missing"):
        call(by_name, CTX, {})


# --- the table


@scriptlet(
    params=[
        Param("out", "path", aliases=["file", "snapshot"], help="where to write"),
        Param("n", "int", 3),
        Param("mode", "str", "json", choices=["json", "csv"]),
        Param("keys", "list[str]", []),
        Param("fn", "callable", None),
        Param("text", "template", None),
    ]
)
def save(ctx: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Declared."""
    return params


def test_defaults_and_aliases_are_filled_in() -> None:
    want = {"out": "x", "n": 3, "mode": "json", "keys": [], "fn": None, "text": None}
    assert call(save, CTX, {"file": "x"}) == save(CTX, {"snapshot": "x"}) == save(ctx=CTX, params={"out": "x"}) == want
    save(CTX, {"out": "x"})["keys"].append("kept by nobody")
    assert save(CTX, {"out": "x"})["keys"] == []
    assert save.__doc__ == "Declared."


def test_values_are_converted() -> None:
    got = save(CTX, {"out": Path("a/b"), "n": 4.0, "keys": ("k",), "fn": "math:sqrt"})
    assert (got["out"], got["n"], got["keys"], got["fn"]) == (str(Path("a/b")), 4, ["k"], math.sqrt)
    assert type(got["n"]) is int


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"out": "x", "modus": "csv"}, "unknown parameter 'modus'; did you mean mode?"),
        ({"out": "x", "file": "y"}, "'out' and 'file' are one parameter: give one of them"),
        ({"out": "x", "n": "3"}, "parameter 'n' is to be int, not '3' (str)"),
        ({"out": "x", "n": True}, "parameter 'n' is to be int, not True (bool)"),
        ({"out": "x", "n": 2.5}, "parameter 'n' is to be int, not 2.5 (float)"),
        ({"out": "x", "n": None}, "parameter 'n' is to be int, not None (null)"),
        ({"out": "x", "mode": "cvs"}, "is to be one of 'json', 'csv', not 'cvs' (str); did you mean csv?"),
        ({"out": "x", "keys": ["a", 1]}, "parameter 'keys' is to be list[str], not ['a', 1] (list)"),
        ({"out": "x", "fn": "math:sqr"}, "has no 'sqr'; did you mean sqrt?"),
        ({"out": 1}, "parameter 'out' is to be path, not 1 (int)"),
        ({}, "parameter 'out' is missing: where to write"),
    ],
)
def test_the_same_mistakes_before_a_run_in_a_run_and_in_python(given: dict[str, Any], told: str) -> None:
    found = mistakes(save, params=given)
    assert len(found) == 1 and told in found[0] and "(save(out: path, n: int = 3" in found[0]
    for way in (lambda: call(save, CTX, given), lambda: save(CTX, given)):
        with pytest.raises(OctoError) as error:
            way()
        assert told in error.value.message
        assert error.value.exit_code == 2


def test_what_a_step_takes_is_told_once() -> None:
    [found] = mistakes(save, params={"out": "x", "zzzzzz": 1})
    assert found.startswith("unknown parameter 'zzzzzz'; it takes: out: path, ") and found.count("out: path") == 1


def test_a_missing_parameter_is_a_key_error_and_a_wrong_one_a_value_and_type_error() -> None:
    with pytest.raises(KeyError) as error:
        save(CTX, {})
    assert str(error.value) == "parameter 'out' is missing: where to write"
    for kind in (ValueError, TypeError):
        with pytest.raises(kind):
            save(CTX, {"out": 1})


def test_a_templated_value_is_not_judged_before_it_is_rendered() -> None:
    assert mistakes(save, params={"out": "x", "n": "{{ ctx.n }}"}, templated=["n"]) == []
    assert len(mistakes(save, params={"out": "x", "m": "{{ ctx.n }}"}, templated=["m"])) == 1


@scriptlet(params=[
    Param("action", "str", "get", choices=("get", "save", "drop")), Param("name", "str | null", None, "whose", ("id",),
          required_when={"action": ["save", "drop"]}),
    Param("a", "int | null", None, "the first"), Param("b", "int | null", None), Param("c", "any", 0),
    Param("d", "int", 0)],
    one_of=[("a", "b")], any_of=[("c", "d")])
def with_rules(params: dict[str, Any]) -> dict[str, Any]:
    return params


@pytest.mark.parametrize(("given", "told"), [
    ({"c": 1}, ["parameter 'a' is missing: the first; or give b"]),
    ({"a": None, "b": None, "c": 1}, ["parameter 'a' is missing: the first; or give b"]),
    ({"a": 1, "b": 2, "c": 1}, ["'a' and 'b' are two ways to say one thing: give one of them"]),
    ({"a": 1}, ["parameter 'c' is missing; or give d"]),
    ({"a": 1, "c": None, "d": 2}, []),  # null is a value where it is not the default
    ({"a": 1, "c": 1, "action": "save"}, ["parameter 'name' is missing: whose (action 'save' needs it)"]),
    ({"a": 1, "c": 1, "action": "drop", "id": "x"}, []),
    ({"action": "save"}, ["parameter 'a' is missing: the first; or give b", "parameter 'c' is missing; or give d",
                          "parameter 'name' is missing: whose (action 'save' needs it)"]),
])
def test_rules_for_several_parameters(given: dict[str, Any], told: list[str]) -> None:
    found = mistakes(with_rules, params=given)
    assert [each.partition(" (with_rules(")[0] for each in found] == told
    if not told:
        assert with_rules(given)
        return
    with pytest.raises(ParamError) as caught:
        with_rules(given)
    assert str(caught.value) == told[0] and isinstance(caught.value, MissingParam) == ("missing" in told[0])


def test_rules_wait_for_what_is_templated() -> None:
    text = "{{ ctx.x }}"
    assert not mistakes(with_rules, params={"a": text, "b": 1, "c": 1}, templated=["a"])
    assert not mistakes(with_rules, params={"a": 1, "c": 1, "action": text}, templated=["action"])
    assert not mistakes(with_rules, params={"a": 1, "c": 1, "action": "save", "id": text}, templated=["id"])


def test_a_rule_that_names_no_parameter_is_a_mistake() -> None:
    for rule in ({"one_of": [("a", "x")]}, {"any_of": [("x",)]}):
        with pytest.raises(ParamError, match="names 'x', which is none of them"):
            scriptlet(params=[Param("a", default=1)], **rule)(lambda params: None)


def test_the_table_can_be_read() -> None:
    table = params_of(save)
    assert table is not None
    assert [(p.name, p.type, p.required) for p in table][:2] == [("out", "path", True), ("n", "int", False)]
    assert params_of(whole) is None


def test_a_step_that_keeps_unknown_ones_says_so() -> None:
    @scriptlet(params=[Param("a", "int")], keeps_unknown=True)
    def keeps(ctx: Any, params: dict[str, Any]) -> Any:
        return params

    assert call(keeps, CTX, {"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert mistakes(keeps, params={"a": 1, "b": 2}) == []


def test_a_table_for_a_function_that_takes_single_values() -> None:
    @scriptlet(params=[Param("out", "str", aliases=["file"]), Param("n", "int", 2)])
    def write(ctx: Any, out: str, n: int) -> Any:
        return ctx, out, n

    assert call(write, CTX, {"file": "x"}) == write(CTX, "x") == write(CTX, out="x", n=2) == (CTX, "x", 2)
    with pytest.raises(ParamError, match="'n' is to be int"):
        write(CTX, "x", "two")


def test_bare_it_takes_the_table_from_the_signature() -> None:
    @scriptlet
    def join(ctx: Any, left: str, right: str = "r") -> str:
        return left + right

    table = params_of(join)
    assert table is not None and [(p.name, p.required) for p in table] == [("left", True), ("right", False)]
    assert call(join, CTX, {"left": "l"}) == "lr"
    assert "did you mean left?" in mistakes(join, params={"lef": "x", "left": "l"})[0]
    assert scriptlet(whole) is whole


def test_a_table_for_a_class() -> None:
    @scriptlet(params=[Param("n", "number", 1, aliases=["count"])])
    class Step(BaseScriptlet):
        def validate(self, ctx: Any, params: dict[str, Any]) -> bool:
            return bool(params["n"] < 5)

        def run(self, ctx: Any, params: dict[str, Any]) -> Any:
            return params

    assert call(Step, CTX, {"count": 2}) == {"n": 2}
    assert Step().run(CTX, {}) == {"n": 1}
    with pytest.raises(StepFailed, match="Step.validate refused"):
        call(Step, CTX, {"count": 7})


@pytest.mark.parametrize(
    ("kind", "fits", "not_so"),
    [
        ("list", [[], (1,)], ["a", {}, None, b"x"]),
        ("dict", [{}], [[], "a"]),
        ("str", [""], [1, None]),
        ("int", [0, 3.0, 10**400], ["0", True, 0.5, math.nan, math.inf]),
        ("float", [1, 1.5], ["1", False, math.nan, math.inf, 10**400]),
        ("number", [1, 1.5, 10**400], ["1", True, math.nan]),
        ("bool", [True], [1, "true"]),
        ("null", [None], [0, ""]),
        ("callable", [print, "json:dumps"], [1]),
        ("str | null", ["a", None], [1]),
        ("list[int]", [[1, 2]], [["1"], 1]),
        ("dict[str, int]", [{"a": 1}], [{"a": "b"}]),
        (("int", "str"), [1, "a"], [[]]),
        ((int, type(None)), [1, None], ["a"]),
        (Path, [Path("x")], ["x"]),
        (None, [1, None, []], []),
    ],
)
def test_types(kind: Any, fits: list[Any], not_so: list[Any]) -> None:
    param = Param("p", kind)
    for value in fits:
        param.value(value)
    for value in not_so:
        with pytest.raises(ParamError, match="'p' is to be "):
            param.value(value)
    assert type_text(kind)


def test_mistakes_in_a_table_are_told_where_it_stands() -> None:
    with pytest.raises(ParamError, match=r"there is no type 'strr'; did you mean str\?"):
        Param("p", "strr")
    with pytest.raises(ParamError, match="two parameters of a step are called 'a'"):
        scriptlet(params=[Param("a"), Param("b", aliases=["a"])])(whole)


# --- classes and what they return


def returning(value: Any) -> type[BaseScriptlet]:
    class Returns(BaseScriptlet):
        def run(self, ctx: Any, params: dict[str, Any]) -> Any:
            return value

    return Returns


@pytest.mark.parametrize("value", [0, None, True, False, "text", {"status": "failed", "error": "no"}, [1], 2.5])
def test_what_is_a_result(value: Any) -> None:
    assert call(returning(value), CTX) is value
    assert call(lambda ctx, params: value, CTX) is value


def test_what_is_a_failure() -> None:
    with pytest.raises(StepFailed, match="Returns.run returned 3"):
        call(returning(3), CTX)
    assert call(lambda: 3, CTX) == 3
    with pytest.raises(StepFailed, match="Returns failed: no disk"):
        call(returning(ScriptletResult(success=False, message="no disk")), CTX)
    assert call(returning(ScriptletResult(data={"rows": 3})), CTX) == {"rows": 3}


def test_an_exception_comes_through_as_it_is() -> None:
    def fails(ctx: Any, params: dict[str, Any]) -> None:
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here"):
        call(fails, CTX)


@pytest.mark.parametrize(("answer", "runs"), [(None, True), (True, True), (0, True), (False, False)])
def test_validate_refuses_by_false_only(answer: Any, runs: bool) -> None:
    class Step:
        def validate(self, params: dict[str, Any]) -> Any:
            return answer

        def run(self, ctx: Any, n: int) -> Any:
            return n + 1 - 6

    if runs:
        assert call(Step, CTX, {"n": 5}) == 0
        assert call(Step, CTX, args=[CTX, 5]) == 0
    else:
        with pytest.raises(StepFailed, match="validate refused"):
            call(Step, CTX, {"n": 5})


def test_validate_refuses_by_an_exception() -> None:
    class Step(BaseScriptlet):
        def validate(self, ctx: Any, params: dict[str, Any]) -> None:
            raise ValueError("Missing 'message' argument")

    with pytest.raises(ValueError, match="Missing 'message'"):
        call(Step, CTX)


def test_each_call_has_an_instance_of_its_own_and_needs_no_super() -> None:
    class Step(BaseScriptlet):
        def __init__(self) -> None:
            self.calls = 0

        def run(self, ctx: Any, params: dict[str, Any]) -> Any:
            self.calls += 1
            self.logger.info("called")
            return {"calls": self.calls, "name": self.name, "version": self.version, "t": self.get_execution_time()}

    first, second = call(Step, CTX), call(Step, CTX)
    assert first["calls"] == second["calls"] == 1
    assert (first["name"], first["version"]) == ("Step", "1.0")
    assert first["t"] >= 0


def test_a_class_may_set_what_the_base_gives() -> None:
    class Step(BaseScriptlet):
        def __init__(self) -> None:
            super().__init__()
            self.name = "custom_processor"
            self.version = "2.0"
            self.logger = "mine"  # type: ignore[assignment]

    step = Step()
    assert (step.name, step.version, step.logger) == ("custom_processor", "2.0", "mine")


def test_a_class_that_cannot_be_made_or_run_is_a_mistake_before_the_run() -> None:
    class Needs(BaseScriptlet):
        def __init__(self, size: int) -> None:
            self.size = size

        def run(self, ctx: Any, params: dict[str, Any]) -> None: ...

    assert mistakes(Needs, params={}) == [
        "class Needs cannot be made without arguments: missing a required argument: 'size'"
    ]
    assert mistakes(BaseScriptlet, params={}) == ["class BaseScriptlet has no run(ctx, params)"]


def test_async_bodies_are_run() -> None:
    async def body(ctx: Any, params: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return params["n"]

    class Step:
        async def validate(self) -> bool:
            return True

        async def run(self, ctx: Any) -> int:
            return 4

    assert call(body, CTX, {"n": 2}) == 2
    with pytest.raises(StepFailed, match="Step.run returned 4"):
        call(Step, CTX)

    async def inside() -> Any:
        return call(body, CTX, {"n": 3})

    assert asyncio.run(inside()) == 3


def test_registering() -> None:
    @register_scriptlet(name="tidy", category="files of the test")
    class Tidy: ...

    @register_scriptlet(category="files of the test")
    class Sweep: ...

    assert registered("files of the test") == {"Sweep": Sweep, "tidy": Tidy}
    assert registered()["tidy"] is Tidy


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import octo.scriptlet, sys; print([m for m in ('pydantic', 'yaml', 'jinja2', 'rich', 'asyncio', 'click',"
        " 'orjson', 'psutil', 'importlib.metadata', 'logging', 'step_library') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=120,
                          cwd=Path(__file__).resolve().parent.parent)
    assert done.stdout.strip() == "[]", done.stderr
