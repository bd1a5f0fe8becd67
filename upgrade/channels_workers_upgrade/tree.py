"""The syntax tree of a file: its nodes by class, their parents, and their places in the text.

It is that of Python's own parser, which is much faster than one that keeps spaces and comments.
The text stays beside it, and a rewrite replaces parts of the text.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from io import BytesIO
from tokenize import detect_encoding
from typing import NamedTuple, TypeVar

#: Nodes without a place in the text, and parts of strings, which Python 3.11 places wrongly.
_SKIPPED = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)

_LINE_END = re.compile(rb"\r\n?|\n")

#: What may follow a statement that is the last one of its line.
_END = re.compile(rb"[ \t\f]*(#[^\r\n]*)?(?=\r|\n|\Z)")

#: Nodes with a place in the text.
Placed = ast.expr | ast.stmt | ast.alias | ast.arg | ast.keyword | ast.excepthandler | ast.pattern

Node = TypeVar("Node", bound=ast.AST)


class Edit(NamedTuple):
    """A *text* in place of the bytes from *start* to *end* of a file in UTF-8."""

    start: int
    end: int
    text: str


class Tree:
    """The nodes of a file, those around others first.

    *text*: the file. *encoding*: that of its bytes.
    """

    def __init__(self, text: str, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.data = text.encode()
        self.module = _parsed(text)
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes: list[ast.AST] = []
        self._by_kind: dict[type[ast.AST], list[ast.AST]] = {}
        self._lines = [0, *(end.end() for end in _LINE_END.finditer(self.data))]
        self._walk()

    @classmethod
    def of(cls, content: bytes) -> Tree:
        """Return the tree of the *content* of a file; raise SyntaxError or ValueError."""
        encoding, _ = detect_encoding(BytesIO(content).readline)
        return cls(content.decode(encoding), encoding)

    @property
    def content(self) -> bytes:
        """The file as bytes."""
        return self.data.decode().encode(self.encoding)

    @property
    def newline(self) -> str:
        """The end of a line in this file: that of its first one."""
        end = _LINE_END.search(self.data)
        return end[0].decode() if end else "\n"

    def edited(self, edits: Iterable[Edit]) -> Tree:
        """Return the tree of the file with *edits*: itself, if there are none."""
        parts: list[bytes] = []
        done = 0
        for start, end, text in sorted(edits):
            parts += [self.data[done:start], text.encode()]
            done = end
        if not parts:
            return self
        return Tree(b"".join([*parts, self.data[done:]]).decode(), self.encoding)

    def all(self, *kinds: type[Node]) -> list[Node]:
        """Return the nodes of exactly the classes *kinds*."""
        return [
            node  # type: ignore[misc]  # keyed by their class
            for kind in kinds
            for node in self._by_kind.get(kind, ())
        ]

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the parent of *node*, its parent and so on, up to the module."""
        while node is not self.module:
            node = self.parents[node]
            yield node

    def start(self, node: Placed) -> int:
        """Return the place of the first byte of *node*."""
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: Placed) -> int:
        """Return the place behind the last byte of *node*."""
        line, column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self._lines[line - 1] + column

    def source(self, node: Placed) -> str:
        """Return the text of *node*."""
        return self.data[self.start(node) : self.end(node)].decode(errors="replace")

    def indent(self, node: Placed) -> str:
        """Return the text before *node* on its line."""
        return self.data[self._lines[node.lineno - 1] : self.start(node)].decode()

    def is_alone(self, statement: ast.stmt) -> bool:
        """Return whether *statement* is the only one on its lines."""
        is_last = _END.match(self.data, self.end(statement))
        return bool(is_last) and not self.indent(statement).strip()

    def remark(self, statement: ast.stmt) -> str:
        """Return the spaces and the comment behind a *statement* that is alone."""
        end = _END.match(self.data, self.end(statement))
        return end[0].decode() if end else ""

    def _walk(self) -> None:
        waiting: list[ast.AST] = [self.module]
        while waiting:
            node = waiting.pop()
            self.nodes.append(node)
            self._by_kind.setdefault(type(node), []).append(node)
            inner = children(node)
            for child in inner:
                self.parents[child] = node
            inner.reverse()
            waiting += inner


def _parsed(text: str) -> ast.Module:
    """Return the nodes of a file, without a warning of its old escapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def children(node: ast.AST) -> list[ast.AST]:
    """Return the children of *node*; those of an f-string are its fields."""
    found: list[ast.AST] = []
    for name in _fields(type(node)):  # type: ignore[arg-type]  # a class is hashable
        value = getattr(node, name, None)
        if type(value) is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    if isinstance(node, ast.JoinedStr):
        return [item for item in found if isinstance(item, ast.FormattedValue)]
    return [item for item in found if not isinstance(item, _SKIPPED)] if _has_signs(node) else found


def _has_signs(node: ast.AST) -> bool:
    return isinstance(node, ast.BoolOp | ast.Compare)


@cache
def _fields(kind: type[ast.AST]) -> list[str]:
    """Return the names of the fields that may hold nodes."""
    without = {"ctx", "op", "kind", "type_comment", "type_ignores"}
    if issubclass(kind, ast.Constant | ast.Name | ast.alias):
        return []
    return [name for name in kind._fields if name not in without]


def last_name(node: ast.AST | None) -> str:
    """Return the last name of a dotted expression, "" for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def dotted_name(node: ast.AST) -> str:
    """Return the dotted path of an expression, "" for anything else."""
    if isinstance(node, ast.Attribute):
        owner = dotted_name(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""
