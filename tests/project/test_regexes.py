"""In a regular expression, `$` also matches before a final newline, so checks avoid it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.harness.project import ROOT

FUNCTIONS = {"compile", "match", "search", "fullmatch", "sub", "split", "finditer", "findall"}
FILES = [
    file
    for folder in ("channels_workers", "chat", "chat_project")
    for file in sorted((ROOT / folder).rglob("*.py"))
]


def patterns(file: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, pattern and multi-line flag of each pattern in a call of `re`."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name), args=[first, *_]):
                parts = [part.value for part in ast.walk(first) if isinstance(part, ast.Constant)]
                of_lines = "MULTILINE" in ast.unparse(node) or name == "fullmatch"
                if name in FUNCTIONS and parts and all(isinstance(part, str) for part in parts):
                    yield node.lineno, "".join(map(str, parts)), of_lines


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_patterns_are_anchored_with_fullmatch(file: Path) -> None:
    wrong = [
        f"{file}:{line}: {text}"
        for line, text, of_lines in patterns(file)
        if text.endswith("$") and not text.endswith(r"\$") and not of_lines
    ]
    assert wrong == []


def test_the_search_finds_a_dollar(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text("import re\nre.compile('^a$')\nre.match(f'{b}$', b)\nre.sub('(?m)a', b, c)\n")
    assert [text for _, text, _ in patterns(file)] == ["^a$", "$", "(?m)a"]
