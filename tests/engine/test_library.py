"""Step libraries: what is found, and every mistake with its place."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from pathlib import Path

import pytest

from octo.engine.graph import Graph, NodeSpec
from octo.engine.library import load_library
from octo.errors import LibraryError, UsageError

SEED_LIBRARY = Path(__file__).parent / "data" / "seed_library"


@pytest.fixture(autouse=True)
def import_state():
    before = list(sys.path)
    yield
    sys.path[:] = before
    for name in [name for name in sys.modules if name.startswith(("step_node_", "helper_of_"))]:
        del sys.modules[name]


class Library:
    def __init__(self, directory: Path) -> None:
        self.path = directory
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, text: str) -> Path:
        file = self.path / f"{name}.py"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def node(self, name: str, flags: str = "", arrows: str = "", head: str = "") -> Path:
        """A module with one node; the class is in its line 2, the flags in line 3, the arrows in line 4."""
        return self.add(
            f"step_node_{name}",
            f"{head}\nclass {name}:\n    step_node_graph_dict = {{{name!r}: {{{flags}}}}}\n"
            f"    step_arrow_graph_dict = {{{arrows}}}\n    def step_execute(self):\n        return 0\n",
        )

    def load(self, first: str = "") -> Graph:
        return load_library(self.path, first)

    def problems(self, first: str = "") -> list[str]:
        with pytest.raises(LibraryError) as caught:
            self.load(first)
        assert caught.value.exit_code == 2
        return [str(p).replace(str(self.path), "LIB").replace("LIB/", "") for p in caught.value.problems]


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "lib")


def to(target: str, key: str = "next", more: str = "") -> str:
    return f"{key!r}: {{'arrow_step_name_string': {target!r}, {more}}}"


# --- what is found


def test_the_printed_nodes_load_unchanged():
    graph = load_library(SEED_LIBRARY, first="step_node_statemachine")
    assert list(graph.nodes) == [
        "step_node_custom",
        "step_node_dataprocessor",
        "step_node_next",
        "step_node_statemachine",
    ]
    node = graph.nodes["step_node_statemachine"]
    assert node.attrs == {"label": "SM", "shape": "box"}
    assert (node.first, node.active, node.entry_breakpoint, node.exit_breakpoint) == (
        False,
        True,
        False,
        False,
    )
    assert node.params_init["step_node_statemachine"]["max_retries"] == 3
    assert node.results_init["step_node_statemachine"]["execution_count"] == 0
    arrow = node.arrows["next_step"]
    assert (arrow.source, arrow.target, arrow.module) == (node.name, "step_node_next", "step_node_next")
    assert node.cls("x").verbose_flag is False
    bare = graph.nodes["step_node_custom"]
    assert bare.arrows == {} and bare.active and not bare.first and bare.params_init == {}


def test_without_a_first_node_the_printed_nodes_say_so():
    with pytest.raises(LibraryError, match=r"step_node_custom.py:\d+: none of the 4 nodes is the first"):
        load_library(SEED_LIBRARY)


def test_all_flags(library):
    file = library.node(
        "a",
        "'first_node_step_bool': 1, 'active_node_step_bool': 0, 'skip_step_node_execute_bool': True,"
        "'node_entry_breakpoint': 1, 'node_exit_breakpoint': True, 'retry': {'attempts': 2, 'delay': 0.5,"
        "'exceptions': [ValueError, 'OSError']}, 'timeout': 3, 'resume_at_entry_bool': 1,"
        "'node_step_name_string': 'a', 'module_name_string': 'step_node_a'",
        to("a", more="'active_arrow_step_bool': 0, 'dg_edge_attr_dict': {'color': 'red'}"),
    )
    graph = library.load()
    node = graph.nodes["a"]
    assert isinstance(node, NodeSpec)
    assert (node.first, node.active, node.skip_execute, node.resume_at_entry) == (True, False, True, True)
    assert node.entry_breakpoint and node.exit_breakpoint and node.timeout == 3.0
    assert node.retry == {"attempts": 2, "delay": 0.5, "exceptions": [ValueError, "OSError"]}
    assert not node.arrows["next"].active and node.arrows["next"].attrs == {"color": "red"}
    assert (node.module, node.path, node.line) == ("step_node_a", file, 3)
    assert graph.fingerprint("a") == hashlib.sha256(file.read_bytes()).hexdigest()
    assert graph.source == library.path


def test_the_name_is_the_key_else_the_attribute_else_the_class(library):
    library.add("step_node_x", "class Plain:\n    def step_execute(self): return 0\n")
    library.add("step_node_y", "class Other:\n    name = 'spoken'\n    def step_execute(self): return 0\n")
    library.add(
        "step_node_z",
        """
        class Many:
            name = "whatever"
            step_node_graph_dict = {"m1": {"first_node_step_bool": 1}, "m2": {}}
            def step_execute(self): return 0
        """,
    )
    graph = library.load()
    assert list(graph.nodes) == ["Plain", "spoken", "m1", "m2"]
    assert graph.nodes["m1"].cls is graph.nodes["m2"].cls and graph.nodes["m2"].line == 4
    assert graph.first_node() == "m1" and graph.first_node("m2") == "m2"


def test_which_classes_are_nodes(library):
    library.add(
        "helper_of_nodes", "class Base:\n    def step_execute(self): return 0\nclass Extra(Base): pass\n"
    )
    library.add(
        "step_node_a",
        """
        import abc
        from helper_of_nodes import Base
        class _Private(Base): pass
        class Abstract(abc.ABC):
            @abc.abstractmethod
            def step_execute(self): ...
        class NoMethods: pass
        class Good(Base): pass
        Alias = Good
        """,
    )
    library.add(
        "step_node_b",
        """
        from helper_of_nodes import Base, Extra
        step_node_class_list = [Extra, "Listed", "Listed"]
        class Listed(Base): pass
        class NotListed(Base): pass
        """,
    )
    library.add("step_node_c", "from helper_of_nodes import Base as step_node_c\n")
    library.add("step_node_d", "step_node_class_list = []\n")
    graph = library.load(first="Good")
    assert list(graph.nodes) == ["Good", "Extra", "Listed", "Base"]
    extra = graph.nodes["Extra"]
    assert (extra.module, extra.path.name, extra.line) == ("step_node_b", "helper_of_nodes.py", 3)


def test_a_class_without_a_file_of_its_own(library):
    library.add(
        "step_node_a", "step_node_class_list = ['A']\nA = type('A', (), {'step_execute': lambda s: 0})\n"
    )
    graph = library.load()
    assert graph.nodes["A"].line == 1
    library.add("step_node_a", "import builtins\nstep_node_class_list = [dict]\n")
    assert "class dict has no method step_execute" in library.problems()[0]


def test_siblings_and_documented_names_can_be_imported_then_and_later(library, capfd):
    library.node(
        "a", "'first_node_step_bool': 1", head="import step_node_b, octolockjson; print('importing')"
    )
    library.add(
        "step_node_b",
        "class b:\n    def step_execute(self):\n        import helper_of_late as h\n        return h.VALUE\n",
    )
    library.add("helper_of_late", "VALUE = 7\n")
    graph = library.load()
    assert graph.nodes["b"].cls().step_execute() == 7
    assert sys.modules["step_node_a"].step_node_b.b is graph.nodes["b"].cls
    out, err = capfd.readouterr()
    assert out == "" and "importing" in err


def test_two_libraries_with_equal_file_names_do_not_mix(tmp_path):
    graphs = []
    for value in (1, 2):
        lib = Library(tmp_path / str(value))
        lib.add("helper_of_value", f"VALUE = {value}\n")
        (lib.path / "helper_of_package").mkdir()
        (lib.path / "helper_of_package" / "__init__.py").write_text(f"VALUE = {value * 10}\n")
        lib.add(
            "step_node_a",
            "from helper_of_value import VALUE\nimport helper_of_package\n"
            "class a:\n    def step_execute(self): return VALUE + helper_of_package.VALUE\n",
        )
        graphs.append(lib.load())
    assert [graph.nodes["a"].cls().step_execute() for graph in graphs] == [11, 22]


def test_loading_again_sees_an_edit_of_the_same_length_at_once(library):
    for value in (1, 2, 3):
        library.add("step_node_a", f"class a:\n    def step_execute(self): return {value}\n")
        assert library.load().nodes["a"].cls().step_execute() == value


def test_the_fingerprint_is_that_of_what_was_loaded(library, tmp_path):
    file = library.node("a")
    graph = library.load()
    before = graph.fingerprint("a")
    file.write_text("changed = 1\n")
    assert graph.fingerprint("a") == before
    bare = NodeSpec(name="n", module="m", cls=object, path=file)
    assert Graph(tmp_path, {"n": bare}).fingerprint("n") == hashlib.sha256(b"changed = 1\n").hexdigest()


def test_the_first_node_of_a_graph(tmp_path):
    def spec(name: str, first: bool = False) -> NodeSpec:
        return NodeSpec(name=name, module="m", cls=object, path=tmp_path, first=first)

    assert Graph(tmp_path, {"only": spec("only")}).first_node() == "only"
    both = Graph(tmp_path, {"load": spec("load"), "save": spec("save")})
    with pytest.raises(UsageError, match="Candidates: load, save"):
        both.first_node()
    with pytest.raises(UsageError, match="did you mean load"):
        both.first_node("loda")
    with pytest.raises(UsageError, match="There are no nodes"):
        Graph(tmp_path, {}).first_node()


# --- mistakes


def test_everything_wrong_is_reported_together_with_file_and_line(library):
    library.node("a", "'retry': 'often'", to("b") + ",\n" + to("missing", "lost"))
    library.node("b", "'first_node_step_bool': 1, 'timeout': -1")
    library.node("c", "'first_node_step_bool': 1", head="VALUE = 1")
    library.add("step_node_d", "class ctx:\n    def step_execute(self): return 0\n")
    library.add("step_node_e", "\n\nimport no_such_module_at_all\n")
    library.add("step_node_f", "def broken(:\n    pass\n")
    library.add("step_node_g", "\nclass b:\n    def step_execute(self): return 0\n")
    library.add("step_node_h", "\nstep_node_class_list = ['Nobody']\n\nclass Nobodi:\n    pass\n")
    library.add("step_node_i", "import sys\n\nsys.exit(3)\n")
    library.add("step_node_j", "VALUE = 1\n")
    found = library.problems()
    expected = [
        ("step_node_a.py:3:", "retry must be a number of tries"),
        ("step_node_a.py:5:", "arrow 'lost' of 'a' goes to 'missing', which is no node"),
        ("step_node_b.py:3:", "timeout must be a number of seconds above 0, not -1"),
        ("step_node_c.py:3:", "two first nodes: 'c' and 'b'"),
        ("step_node_d.py:1:", "a node cannot be called 'ctx'"),
        ("step_node_e.py:3:", "No module named 'no_such_module_at_all'"),
        ("step_node_f.py:1:", "SyntaxError"),
        ("step_node_g.py:2:", "there are two nodes 'b'; the other is at step_node_b.py:3"),
        ("step_node_h.py:2:", "names 'Nobody', which is no class in it; did you mean Nobodi?"),
        ("step_node_i.py:3:", "it ends the program (SystemExit 3)"),
        ("step_node_j.py:1:", "there is no step node class in it"),
    ]
    assert len(found) == len(expected)
    for line, (place, text) in zip(found, expected, strict=True):
        assert line.startswith(place) and text in line


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ("'first_node_step_bool': 'yes'", "first_node_step_bool must be 0 or 1, not 'yes'"),
        ("'node_entry_breakpoint': 2", "node_entry_breakpoint must be 0 or 1, not 2"),
        ("'timeout': True", "timeout must be"),
        ("'timeout': float('nan')", "timeout must be"),
        ("'retry': 0", "retry must be a number of tries (1 or more)"),
        ("'retry': True", "retry must be"),
        ("'retry': {'tries': 3}", "retry has no 'tries'; it takes attempts, delay"),
        ("'retry': {'attempts': 0}", "retry attempts must be"),
        ("'retry': {'delay': -1}", "retry delay must be a number, 0 or more, not -1"),
        ("'retry': {'backoff': 'x'}", "retry backoff must be"),
        ("'retry': {'exceptions': 3}", "retry exceptions must be names or exception classes"),
        ("'dg_node_attr_dict': 3", "dg_node_attr_dict must be a dict"),
        ("'node_step_name_string': 'other'", "node_step_name_string says 'other'; they must agree"),
        ("'module_name_string': 'step_node_z'", "module_name_string says 'step_node_z', but the module is"),
    ],
)
def test_bad_flags(library, flags, text):
    library.node("a", flags)
    [line] = library.problems()
    assert line.startswith("step_node_a.py:3:") and text in line


@pytest.mark.parametrize(
    "retry", ["3", "{'attempts': 3, 'max_delay': 2.5, 'backoff': 2, 'exceptions': OSError}", "None"]
)
def test_good_retries(library, retry):
    library.node("a", f"'retry': {retry}, 'timeout': None")
    assert library.load().nodes["a"].retry == eval(retry)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("step_node_graph_dict = 3", "step_node_graph_dict must be a dict with text keys"),
        ("step_node_graph_dict = {3: {}}", "step_node_graph_dict must be a dict with text keys"),
        ("step_node_graph_dict = {'a': 3}", "step_node_graph_dict['a'] must be a dict"),
        ("step_node_params_dict_init = {'a': 3}", "step_node_params_dict_init['a'] must be a dict"),
        ("step_arrow_graph_dict = {'k': {}}", "arrow 'k' must name its target in arrow_step_name_string"),
        ("step_arrow_graph_dict = {'k': {'arrow_step_name_string': 3}}", "arrow 'k' must name its target"),
        (
            "name = 'b'; step_node_graph_dict = {'a': {}}",
            "the class attribute name says 'b'; they must agree",
        ),
        ("DICT = {}; step_node_graph_dict = dict(a=3)", "step_node_graph_dict['a'] must be a dict"),
        ("step_node_graph_dict: dict = {'a': 4}", "step_node_graph_dict['a'] must be a dict"),
    ],
)
def test_bad_dicts(library, body, text):
    library.add(
        "step_node_a", f"\n\nclass a:\n    x: int\n    {body}\n    def step_execute(self): return 0\n"
    )
    [line] = library.problems()
    assert line.startswith("step_node_a.py:5:") and text in line


def test_mistakes_in_what_is_inherited_are_shown_at_the_class(library):
    library.add(
        "helper_of_base", "class Base:\n    step_node_graph_dict = 3\n    def step_execute(self): return 0\n"
    )
    library.add("step_node_a", "from helper_of_base import Base\n\nclass A(Base): pass\n")
    library.add(
        "step_node_b",
        "import helper_of_base as h\ndef make():\n    class B(h.Base): pass\n    return B\nB = make()\n",
    )
    found = library.problems(first="A")
    assert [line.split(" ")[0] for line in found] == ["step_node_a.py:3:", "step_node_b.py:1:"]


def test_a_class_named_like_its_module_must_have_the_method(library):
    library.add("step_node_a", "class step_node_a:\n    def step_exceute(self): return 0\n")
    assert library.problems() == ["step_node_a.py:1: class step_node_a has no method step_execute"]


@pytest.mark.parametrize("value", ["3", "'Name'", "{'a'}"])
def test_a_class_list_must_be_a_list(library, value):
    library.add("step_node_a", f"\nstep_node_class_list = {value}\n")
    assert "step_node_a.py:2: step_node_class_list must be a list" in "\n".join(library.problems())


def test_a_class_list_of_other_things(library):
    library.add("step_node_a", "x = step_node_class_list = [3]\n")
    assert "names 3, which is no class in it" in "\n".join(library.problems())


def test_arrows(library):
    library.node(
        "load",
        "'first_node_step_bool': 1",
        to("saev") + "," + to("nowhere", "off", "'active_arrow_step_bool': 0"),
    )
    library.node(
        "save", "'active_node_step_bool': 0", to("load", more="'module_name_string': 'step_node_save'")
    )
    assert library.problems() == [
        "step_node_load.py:4: arrow 'next' of 'load' goes to 'saev', which is no node; did you mean save?",
        "step_node_save.py:4: arrow 'next' of 'save' wants 'load' in module 'step_node_save', but it is in "
        "'step_node_load'",
    ]
    library.node("load", "'first_node_step_bool': 1", "'n': {'module_name_string': 'save'}")
    library.node(
        "save", "'active_node_step_bool': 0", to("load", more="'module_name_string': 'step_node_load'")
    )
    assert "arrow 'n' of 'load' wants 'save' in module 'save'" in library.problems()[0]
    library.node("load", "'first_node_step_bool': 1", to("save"))
    assert library.load().nodes["load"].arrows["next"].target == "save"


def test_what_a_broken_module_may_bring_is_not_reported_as_missing(library):
    library.node("a", arrows=to("step_node_b") + "," + to("b", "k", "'module_name_string': 'step_node_b'"))
    library.add("step_node_b", "1 / 0\n")
    assert library.problems() == ["step_node_b.py:1: cannot be imported: ZeroDivisionError: division by zero"]
    assert len(library.problems(first="b")) == 1


def test_a_broken_sibling_is_shown_at_both_places(library):
    library.node("a", head="import step_node_b")
    library.add("step_node_b", "\n\ndef (:\n")
    library.add("helper_of_c", "raise ValueError('no')\n")
    library.add("step_node_c", "\nimport helper_of_c\n")
    found = library.problems()
    assert [line.split(" ")[0] for line in found] == ["step_node_b.py:3:", "step_node_c.py:2:"]


def test_an_error_without_a_line_of_the_file(library):
    library.add("step_node_a", "raise SyntaxError('made by hand')\n")
    library.add("step_node_b.c", "x = 1\n")
    (library.path / "step_node_c.py").write_bytes(b"x = '\xff'\n")
    found = library.problems()
    assert [line.split(" ")[0] for line in found] == [
        "step_node_a.py:1:",
        "step_node_b.c.py:1:",
        "step_node_c.py:1:",
    ]


def test_ctrl_c_while_importing_is_not_caught(library):
    library.add("step_node_a", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        library.load()


def test_no_library_at_all(library, tmp_path):
    assert "it has no step_node_*.py" in library.problems()[0]
    with pytest.raises(LibraryError, match="there is no such directory"):
        load_library(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="is not a directory"):
        load_library(str(tmp_path / "file"))


def test_first_nodes(library):
    library.add("step_node_a", "step_node_class_list = []\n")
    assert library.problems() == ["step_node_a.py:1: the step library has no node"]
    library.node("a", "'first_node_step_bool': 1")
    library.node("b", "'first_node_step_bool': 1")
    assert library.load(first="b").first_node("b") == "b"
    assert (
        "the first node is to be 'bb', which is not there; did you mean b?"
        in library.problems(first="bb")[0]
    )
