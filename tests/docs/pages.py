"""Reads pages: those of docs/, and READMEs beside code."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from labs.harness.project import ROOT

DOCS = ROOT / "docs"
#: The pages of the site.
SITE = sorted(path for path in DOCS.rglob("*.md") if DOCS / "_build" not in path.parents)
PATHS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *SITE]

_FENCE = re.compile(r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
#: A page of the site may include a file from elsewhere.
_INCLUDE = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the first line names, as in ``# board/consumers.py``."""
        found = re.match(r"# (\S+\.py)( \(add\))?\n", self.text)
        return found[1] if found else None

    @property
    def is_added(self) -> bool:
        """Whether the block is appended to its file instead of creating it."""
        return self.text.partition("\n")[0].endswith(" (add)")

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Page:
    """A Markdown page."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """The page without its code blocks."""
        return _FENCE.sub("", self.text)

    @property
    def blocks(self) -> list[Block]:
        """Its code blocks in order, without Sphinx directives such as a table of contents."""
        return [
            Block(self.path, self.text.count("\n", 0, found.start()) + 1, found[1], found[2])
            for found in _FENCE.finditer(self.text)
            if not found["language"].startswith("{")
        ]

    @property
    def links(self) -> list[str]:
        """The targets of its links and images."""
        return [found["target"] for found in _LINK.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """The anchors of its headings, in GitHub's form."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        included = (Page(self.path.parent / name) for name in _INCLUDE.findall(self.text))
        return {_anchor(heading) for heading in headings}.union(*(one.anchors for one in included))

    def section(self, heading: str) -> str:
        """The content below this second-level heading."""
        _, found, rest = self.text.partition(f"\n## {heading}\n")
        assert found, f"{self.path.name} has no section {heading}."
        return rest.partition("\n## ")[0]

    def table(self, name: str) -> list[list[str]]:
        """The rows of the table below ``<!-- table: name -->``, without its header."""
        rows = re.search(rf"^<!-- table: {name} -->\n((?:\|.*\n)+)", self.text, re.MULTILINE)
        assert rows, f"{self.path.name} has no table {name}."
        cells = [line.strip("|").split("|") for line in rows[1].splitlines()[2:]]
        return [[cell.strip() for cell in row] for row in cells]

    def tables(self, kind: str) -> list[list[str]]:
        """The rows of all tables whose names begin with *kind* and a hyphen."""
        names = re.findall(rf"^<!-- table: ({kind}-[\w-]+) -->$", self.text, re.MULTILINE)
        assert names, f"{self.path.name} has no tables {kind}-..."
        return [row for name in names for row in self.table(name)]

    def marked(self, kind: str, name: str) -> str:
        """The code block below ``<!-- kind: name -->``."""
        found = re.search(
            rf"^<!-- {kind}: {name} -->\n```\w*\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL
        )
        assert found, f"{self.path.name} has no {kind} {name}."
        return found[1]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def page(name: str) -> Page:
    """The page of this name without extension: ``how-to/scale``, ``README``."""
    folder = DOCS if "/" in name else ROOT
    return Page(folder / f"{name}.md")


def code(cell: str) -> list[str]:
    """The code between backticks in a table cell."""
    return re.findall(r"`([^`]+)`", cell)


def first_codes(rows: list[list[str]]) -> list[str]:
    """The code between backticks in the first column."""
    return [name for row in rows for name in code(row[0])]
