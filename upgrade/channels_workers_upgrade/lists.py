"""Inserts and removes elements of list literals, and keeps format and comments."""

from __future__ import annotations

import libcst as cst

Space = cst.BaseParenthesizableWhitespace


class Written:
    """The elements of a list or a parenthesised tuple, and the spaces around them.

    A space holds the comment on the previous element's line, and those above the next element.
    """

    def __init__(self, node: cst.List | cst.Tuple) -> None:
        self.node = node
        self.elements = list(node.elements)
        commas = [element.comma for element in self.elements]
        self.final = commas[-1] if commas else cst.MaybeSentinel.DEFAULT
        between = [comma.whitespace_after for comma in commas[:-1] if isinstance(comma, cst.Comma)]
        self.spaces: list[Space] = [_left(node).whitespace_after, *between]
        self.spaces.append(_right(node).whitespace_before)

    def put(self, index: int, value: cst.BaseExpression) -> None:
        """Insert *value* at *index*, on its own line if the other elements are on theirs."""
        after = self.spaces[index]
        model = after if index < len(self.elements) else self.spaces[max(index - 1, 0)]
        before: Space = cst.SimpleWhitespace(" " if index else "")
        if isinstance(after, cst.ParenthesizedWhitespace) and isinstance(model, type(after)):
            before = model.with_changes(first_line=after.first_line, empty_lines=[])
            self.spaces[index] = after.with_changes(first_line=cst.TrailingWhitespace())
        elif not index:
            before, self.spaces[index] = after, cst.SimpleWhitespace(" ")
        self.elements.insert(index, cst.Element(value))
        self.spaces.insert(index, before)

    def take(self, index: int) -> None:
        """Remove the element at *index* and its comments."""
        before, after = self.spaces[index : index + 2]
        over_lines = cst.ParenthesizedWhitespace
        space = after if index + 1 == len(self.elements) else before
        if isinstance(before, over_lines) and isinstance(after, over_lines):
            space = after.with_changes(first_line=before.first_line)
        del self.elements[index]
        self.spaces[index : index + 2] = [space]

    def has_comments(self, index: int) -> bool:
        """Return whether the element at *index* has comments above it or on its line."""
        before, after = self.spaces[index : index + 2]
        above = isinstance(before, cst.ParenthesizedWhitespace) and any(
            line.comment for line in before.empty_lines
        )
        return above or bool(
            isinstance(after, cst.ParenthesizedWhitespace) and after.first_line.comment
        )

    def result(self) -> cst.List | cst.Tuple:
        """Return the edited list or tuple."""
        first, *between, last = self.spaces if self.elements else [cst.SimpleWhitespace("")] * 2
        commas = [*(cst.Comma(whitespace_after=space) for space in between), self.final]
        pairs = zip(self.elements, commas, strict=False)
        left, right = _left(self.node), _right(self.node)
        left = left.with_changes(whitespace_after=first)
        right = right.with_changes(whitespace_before=last)
        names = ("lbracket", "rbracket") if isinstance(self.node, cst.List) else ("lpar", "rpar")
        ends = (left, right) if isinstance(self.node, cst.List) else ([left], [right])
        elements = [element.with_changes(comma=comma) for element, comma in pairs]
        return self.node.with_changes(elements=elements, **dict(zip(names, ends, strict=True)))


def written(node: cst.CSTNode | None) -> Written | None:
    """Return *node* for editing if it is a list or a parenthesised tuple, else None."""
    if isinstance(node, cst.List) or (isinstance(node, cst.Tuple) and len(node.lpar) == 1):
        return Written(node)
    return None


def _left(node: cst.List | cst.Tuple) -> cst.LeftSquareBracket | cst.LeftParen:
    return node.lbracket if isinstance(node, cst.List) else node.lpar[0]


def _right(node: cst.List | cst.Tuple) -> cst.RightSquareBracket | cst.RightParen:
    return node.rbracket if isinstance(node, cst.List) else node.rpar[0]
