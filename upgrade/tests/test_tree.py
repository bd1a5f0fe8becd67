"""A long file takes a few walks, and nodes know their places in the text."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from channels_workers_upgrade.settings import Settings
from channels_workers_upgrade.source import move_source
from channels_workers_upgrade.tree import Edit, Tree

from .sample import ENVIRONMENT

BEGINNING = "import channels\nfrom channels.log import setup_logger\n"
ONE = 'def f(request):\n    x = [a.b(1), "channels.Group"]\n    channels.Group("a").send({})\n'


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often files were parsed and walked."""
    found: Counter[str] = Counter()
    walk = Tree._walk

    def counted(tree: Tree) -> None:
        found["walks"] += 1
        walk(tree)

    monkeypatch.setattr(Tree, "_walk", counted)
    return found


def move(text: str) -> int:
    """Return how many findings a text has."""
    return len(move_source(text.encode(), Path("views.py"), Settings()).findings)


@pytest.mark.parametrize("times", [1, 50])
def test_walks_do_not_depend_on_findings(walks: Counter[str], times: int) -> None:
    assert move(BEGINNING + ONE * times) == times + 1
    assert walks["walks"] == 2


def test_a_file_that_stays_is_walked_once(walks: Counter[str]) -> None:
    move("from a import b\nchannel_layer.send(x)\n")
    assert walks["walks"] == 1


def test_a_run_without_channels_loads_no_parser(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import re\n")
    code = (
        "import sys; from channels_workers_upgrade.command import main; main(['a.py']); "
        "print({'ast', 'tokenize', 'dataclasses', 'tempfile', 'libcst'} & set(sys.modules))"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {PATH!r}); {code}"]
    run = subprocess.run(command, cwd=tmp_path, env={}, check=True, capture_output=True, text=True)
    assert run.stdout == "set()\n"


PATH = ENVIRONMENT["PYTHONPATH"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_places(end: str) -> None:
    tree = Tree(f"x = 'é'; y = 1{end}if a:{end}\tz(b .c)  # d{end}")
    assert [tree.source(node) for node in tree.all(ast.Assign)] == ["x = 'é'", "y = 1"]
    (attribute,) = tree.all(ast.Attribute)
    assert tree.source(attribute) == "b .c"
    (call,) = tree.all(ast.Expr)
    assert (tree.indent(call), tree.remark(call), tree.newline) == ("\t", "  # d", end)
    assert [tree.is_alone(node) for node in (call, *tree.all(ast.Assign))] == [True, False, False]


def test_edits() -> None:
    tree = Tree.of("# coding: latin-1\nx = 'é'; y = 2\n".encode("latin-1"))
    x, y = tree.all(ast.Name)
    edits = [Edit(tree.start(node), tree.end(node), f"{node.id}ü") for node in (y, x)]
    assert tree.edited([]) is tree
    assert tree.edited(edits).content == "# coding: latin-1\nxü = 'é'; yü = 2\n".encode("latin-1")
