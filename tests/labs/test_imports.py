"""Imports of the labs: the engine, the chat and the harness, never the tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.harness.project import ROOT

TOOLS = [
    path
    for folder in ("labs", "deploy", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if ".venv" not in path.parts
]
SHIPPED = [
    path
    for name in ("channels_workers", "chat", "chat_project")
    for path in (ROOT / name).rglob("*.py")
]


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def those_of(package: str, paths: list[Path]) -> dict[str, set[str]]:
    """The imports from *package*, by file name."""
    found = {
        str(path.relative_to(ROOT)): {
            name for name in imported(path) if name == package or name.startswith(f"{package}.")
        }
        for path in paths
    }
    return {name: modules for name, modules in found.items() if modules}


def test_no_lab_imports_tests() -> None:
    assert len(TOOLS) > 200
    assert those_of("tests", TOOLS) == {}


def test_no_shipped_module_imports_a_lab() -> None:
    assert those_of("labs", SHIPPED) == {}


@pytest.mark.parametrize(
    "lab",
    [
        "benchmarks",
        "coverage",
        "faults",
        "genuine",
        "model",
        "monitoring",
        "rehearsal",
        "versions",
        "walk",
    ],
)
def test_the_harness_imports_no_lab(lab: str) -> None:
    harness = [*(ROOT / "labs" / "harness").rglob("*.py")]
    assert harness
    assert those_of(f"labs.{lab}", harness) == {}
