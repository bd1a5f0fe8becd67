"""The syntax tree of a file: its nodes by class, their parents, and the lines of some of them.

LibCST offers the same as metadata, but computes it for every node of a file, and by a visit of
the file for each kind. That takes seconds for a thousand lines.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from functools import cache
from typing import TypeVar

import libcst as cst
from libcst._nodes.internal import CodegenState

#: Fields of whitespace and punctuation: no expression or statement is in them.
_OF_FORMAT = {
    *("comma", "dot", "colon", "equal", "semicolon", "operator", "lpar", "rpar"),
    *("lbracket", "rbracket", "lbrace", "rbrace", "leading_lines", "lines_after_decorators"),
    *("trailing_whitespace", "header", "footer", "indent"),
}

_LINE_END = re.compile(r"\r\n?|\n")
_NOTHING = nullcontext()

Node = TypeVar("Node", bound=cst.CSTNode)


class Tree:
    """The nodes of *module* in the order of the file, without whitespace and punctuation."""

    def __init__(self, module: cst.Module) -> None:
        self.module = module
        self.parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.nodes: list[cst.CSTNode] = []
        self._by_kind: dict[type[cst.CSTNode], list[cst.CSTNode]] = {}
        self._code: str | None = None
        self._walk()

    def of(self, module: cst.Module) -> Tree:
        """Return the tree of *module*: itself, unless that is another one."""
        return self if module is self.module else Tree(module)

    def all(self, kind: type[Node]) -> list[Node]:
        """Return the nodes of exactly the class *kind*."""
        return self._by_kind.get(kind, [])  # type: ignore[return-value]  # keyed by their class

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the parent of *node*, its parent and so on, up to the module."""
        while node is not self.module:
            node = self.parents[node]
            yield node

    def rewrite(self, nodes: Iterable[cst.CSTNode], rewriter: Rewriter) -> cst.Module:
        """Return the module, with what *rewriter* makes of *nodes* and of their ancestors."""
        rewriter.visited = {part for node in nodes for part in (node, *self.ancestors(node))}
        return self.module.visit(rewriter) if rewriter.visited else self.module

    def lines(self, nodes: Iterable[cst.CSTNode]) -> dict[cst.CSTNode, int]:
        """Return the line of each of *nodes*, counted from 1."""
        wanted = set(nodes)
        if not wanted:
            return {}
        state = _Positions(self.module, wanted)
        self.module._codegen(state)
        self._code = "".join(state.tokens)
        return state.lines()

    @property
    def content(self) -> bytes:
        """The file as bytes; after :meth:`lines` it is known already."""
        code = self.module.code if self._code is None else self._code
        return code.encode(self.module.encoding)

    def _walk(self) -> None:
        waiting: list[cst.CSTNode] = [self.module]
        while waiting:
            node = waiting.pop()
            self.nodes.append(node)
            self._by_kind.setdefault(type(node), []).append(node)
            inner = children(node)
            for child in inner:
                self.parents[child] = node
            waiting += reversed(inner)


class Rewriter(cst.CSTTransformer):
    """Rewrites some nodes: :meth:`Tree.rewrite` visits them and their ancestors alone."""

    visited: Container[cst.CSTNode] = ()

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Skip the parts of the file without a node to rewrite."""
        return node in self.visited


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """Return the children of *node* that are neither whitespace nor punctuation."""
    found: list[cst.CSTNode] = []
    for name in _fields(type(node)):
        value = getattr(node, name)
        kind: type[object] = type(value)
        if kind is tuple or kind is list:
            found += [item for item in value if _IS_NODE[type(item)]]
        elif _IS_NODE[kind]:
            found.append(value)
    return found


class _Kinds(dict[type[object], bool]):
    """Whether a class is one of nodes: CSTNode is abstract, so that isinstance is slow."""

    def __missing__(self, kind: type[object]) -> bool:
        self[kind] = issubclass(kind, cst.CSTNode)
        return self[kind]


_IS_NODE = _Kinds()


@cache
def _fields(kind: type[cst.CSTNode]) -> list[str]:
    names = [field.name for field in fields(kind)]
    return [name for name in names if name not in _OF_FORMAT and "whitespace" not in name]


class _Positions(CodegenState):
    """Writes a module, and remembers where *wanted* nodes begin."""

    def __init__(self, module: cst.Module, wanted: Container[cst.CSTNode]) -> None:
        super().__init__(module.default_indent, module.default_newline)
        self.wanted = wanted
        self.begins: dict[cst.CSTNode, int] = {}

    def before_codegen(self, node: cst.CSTNode) -> None:
        """Remember the number of tokens before *node*."""
        if node in self.wanted:
            self.begins[node] = len(self.tokens)

    def record_syntactic_position(  # type: ignore[override]  # that is a generator
        self, node: cst.CSTNode, **_: object
    ) -> AbstractContextManager[None]:
        """Remember that *node* begins here, behind the empty lines and comments above it."""
        self.before_codegen(node)
        return _NOTHING

    def lines(self) -> dict[cst.CSTNode, int]:
        """Return the line of each wanted node."""
        found: dict[cst.CSTNode, int] = {}
        line, done = 1, 0
        for node, begin in sorted(self.begins.items(), key=lambda item: item[1]):
            line += sum(len(_LINE_END.findall(token)) for token in self.tokens[done:begin])
            found[node], done = line, begin
        return found
