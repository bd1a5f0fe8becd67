"""Inserts and removes elements of lists, tuples and dicts, and keeps format and comments."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from io import StringIO
from tokenize import COMMENT, ENDMARKER, NEWLINE, NL, generate_tokens
from typing import NamedTuple

from channels_workers_upgrade.gaps import (
    comment_beside,
    comments_above,
    first_line,
    is_over_lines,
    last_indent,
    other_lines,
)
from channels_workers_upgrade.tree import Edit, Tree

_SPACES = {COMMENT, ENDMARKER, NEWLINE, NL}
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


class Removed(NamedTuple):
    """A removed element, the comments above it, and the one on its line."""

    text: str
    above: list[str]
    beside: str


class Written:
    """The elements of a list, a tuple in parentheses or a dict, as they are written.

    *gaps*: the spaces before, between and after them. A gap holds the comment on the line of the
    previous element, and those above the next one.
    """

    def __init__(self, tree: Tree, node: ast.List | ast.Tuple | ast.Dict) -> None:
        self.tree = tree
        self.node = node
        self.text = tree.source(node)
        self.elements: list[str] = []
        self.gaps: list[str] = []
        self.has_final_comma = False
        self._read()

    def put(self, index: int, text: str) -> None:
        """Insert an element at *index*, on its own line if the others are on theirs."""
        after = self.gaps[index]
        model = after if index < len(self.elements) else self.gaps[max(index - 1, 0)]
        before = " " if index else ""
        if is_over_lines(after) and is_over_lines(model):
            before = first_line(after) + last_indent(model)
            self.gaps[index] = self.tree.newline + other_lines(after)
        elif not index:
            before, self.gaps[index] = after, " "
        self.elements.insert(index, text)
        self.gaps.insert(index, before)

    def take(self, index: int) -> Removed:
        """Remove the element at *index* with its comments, and return them."""
        before, after = self.gaps[index : index + 2]
        is_last = index + 1 == len(self.elements)
        gap = after if is_last else before
        if is_over_lines(before) and is_over_lines(after):
            gap = first_line(before) + other_lines(after)
        self.gaps[index : index + 2] = [gap]
        beside = comment_beside(after) if is_over_lines(after) else ""
        return Removed(self.elements.pop(index), comments_above(before), beside)

    def has_comments(self, index: int) -> bool:
        """Return whether the element at *index* has comments above it or on its line."""
        before, after = self.gaps[index : index + 2]
        return bool(comments_above(before) or (is_over_lines(after) and comment_beside(after)))

    @property
    def edit(self) -> Edit:
        """The edit that writes the elements as they are now."""
        return Edit(self.tree.start(self.node), self.tree.end(self.node), self.result)

    @property
    def result(self) -> str:
        """The new text, brackets included."""
        if not self.elements:
            return self.text[0] + self.text[-1]
        commas = [","] * (len(self.elements) - 1) + ["," if self.has_final_comma else ""]
        parts = zip(self.elements, commas, self.gaps[1:], strict=True)
        return "".join([self.text[0], self.gaps[0], *map("".join, parts), self.text[-1]])

    def _read(self) -> None:
        """Divide the text at its commas."""
        done, begin, end = 1, 0, 0
        for place, text, depth in _tokens(self.text):
            if depth == 1 and text == ",":
                self._add(done, begin, place)
                done, begin = place + 1, 0
            elif depth:
                begin, end = begin or place, place + len(text)
        if begin:
            self._add(done, begin, end)
            done = end
        self.has_final_comma = bool(self.elements) and not begin
        self.gaps.append(self.text[done:-1])

    def _add(self, done: int, begin: int, end: int) -> None:
        self.gaps.append(self.text[done:begin])
        self.elements.append(self.text[begin:end])


def written(tree: Tree, node: ast.AST | None) -> Written | None:
    """Return *node* for editing if it is a list or a tuple in parentheses, else None."""
    if isinstance(node, ast.List) or (isinstance(node, ast.Tuple) and _has_parentheses(tree, node)):
        return Written(tree, node)
    return None


def _has_parentheses(tree: Tree, node: ast.Tuple) -> bool:
    text = tree.source(node)
    closings = [place for place, _, depth in _tokens(text) if not depth]
    return text.startswith("(") and closings == [len(text) - 1]


def _tokens(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield the place, the text and the depth of each token behind the opening bracket."""
    starts = [0]
    for line in StringIO(text):
        starts.append(starts[-1] + len(line))
    depth = 0
    for token in generate_tokens(StringIO(text).readline):
        depth += (token.string in _OPENING) - (token.string in _CLOSING)
        place = starts[token.start[0] - 1] + token.start[1]
        if place and token.type not in _SPACES:
            yield place, token.string, depth
