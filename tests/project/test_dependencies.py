"""The engine's wheel declares everything that the engine imports."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labs.harness.project import ROOT

PACKAGE = ROOT / "channels_workers"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


NEEDED = names(PROJECT["dependencies"])
#: The requirements of an extra, by the folder that alone may import them.
EXTRAS = {PACKAGE / name: lines for name, lines in PROJECT["optional-dependencies"].items()}


def imported(file: Path) -> Iterator[str]:
    """The top-level modules that a file imports anywhere, type-checking imports included."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@cache
def packages_of() -> dict[str, set[str]]:
    found = packages_distributions()
    return {module: {canonicalize_name(name) for name in found[module]} for module in found}


def undeclared(file: Path) -> dict[str, set[str]]:
    """The modules from packages that are not declared, with these packages."""
    others = set(imported(file)) - sys.stdlib_module_names - {PACKAGE.name}
    known = packages_of()
    declared = NEEDED | names(EXTRAS.get(file.parent, []))
    assert others <= set(known), f"{file} imports {others - set(known)}, which is not installed"
    return {module: known[module] for module in others if not known[module] & declared}


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_each_import_is_declared(file: Path) -> None:
    assert undeclared(file) == {}, "name it under dependencies in pyproject.toml, with a range"


def test_the_search_finds_undeclared_imports(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text("def late():\n    import uvicorn.config\n    from yaml import load\n")
    assert undeclared(file) == {"uvicorn": {"uvicorn"}, "yaml": {"pyyaml"}}


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *chain(*EXTRAS.values())])
def test_each_requirement_has_a_lower_bound(line: str) -> None:
    assert any(bound.operator == ">=" for bound in Requirement(line).specifier)
