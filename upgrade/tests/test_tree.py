"""A long file takes a few walks, and no metadata of LibCST for each of its nodes."""

from collections import Counter
from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from channels_workers_upgrade.settings import Settings
from channels_workers_upgrade.source import move_source
from channels_workers_upgrade.tree import Rewriter, Tree

BEGINNING = "import channels\nfrom channels.log import setup_logger\n"
ONE = 'def f(request):\n    x = [a.b(1), "channels.Group"]\n    channels.Group("a").send({})\n'


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often files were walked, written and annotated, and how many nodes were visited."""
    found: Counter[str] = Counter()

    def count(owner: type, name: str) -> None:
        genuine = getattr(owner, name)

        def counted(*arguments: object) -> object:
            found[name] += 1
            return genuine(*arguments)

        monkeypatch.setattr(owner, name, counted)

    count(Tree, "_walk")
    count(cst.Module, "_codegen_impl")
    count(MetadataWrapper, "__init__")
    count(Rewriter, "on_visit")
    return found


def move(text: str) -> int:
    """Return how many findings a text has."""
    return len(move_source(text.encode(), Path("views.py"), Settings()).findings)


@pytest.mark.parametrize("times", [1, 50])
def test_walks_do_not_depend_on_notes(counts: Counter[str], times: int) -> None:
    assert move(BEGINNING + ONE * times) == times + 1
    assert counts["_walk"] == 3
    assert counts["_codegen_impl"] == 1
    assert counts["__init__"] == 0


def test_visits_are_of_what_changes(counts: Counter[str]) -> None:
    move(BEGINNING + ONE)
    one = counts["on_visit"]
    move(BEGINNING + ONE + "if a:\n    x = [y.z(1, 2), {3: 4}]\n" * 100)
    assert counts["on_visit"] - one == one + 2 * 100, "the statements of the module"


def test_a_file_that_stays_is_walked_once(counts: Counter[str]) -> None:
    move("from a import b\nchannel_layer.send(x)\n")
    assert counts == {"_walk": 1, "_codegen_impl": 1}


LINES = """\
# above

import a  # 3


class A:
    # above
    @b
    def f(self): return \\
        (1,
         c.d)
x = '''
''', e.f
"""


def test_lines_are_those_of_libcst() -> None:
    wrapper = MetadataWrapper(cst.parse_module(LINES), unsafe_skip_copy=True)
    tree = Tree(wrapper.module)
    nodes = [node for node in tree.nodes if not isinstance(node, cst.IndentedBlock)]
    positions = wrapper.resolve(PositionProvider)
    assert tree.lines(nodes) == {node: positions[node].start.line for node in nodes}
    assert tree.lines([]) == {}


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_of_other_systems(end: str) -> None:
    tree = Tree(cst.parse_module(f"a{end}b{end}"))
    assert list(tree.lines(tree.all(cst.Expr)).values()) == [1, 2]
