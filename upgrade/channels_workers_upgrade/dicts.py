"""Reads dict literals, and removes a key together with its comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import libcst as cst

from channels_workers_upgrade.strings import text_of


class Removed(NamedTuple):
    """A dict without a key, the comments above that key, and the comment on its line."""

    rest: cst.Dict
    above: list[cst.EmptyLine]
    beside: cst.Comment | None


def value_of(node: cst.CSTNode, key: str) -> cst.BaseExpression | None:
    """Return the value of *key* in a dict literal, None without it."""
    element = element_of(node, key)
    return element.value if element else None


def element_of(node: cst.CSTNode, key: str) -> cst.DictElement | None:
    """Return the element with *key* of a dict literal, None without it."""
    if not isinstance(node, cst.Dict):
        return None
    found = (item for item in node.elements if isinstance(item, cst.DictElement))
    return next((item for item in found if text_of(item.key) == key), None)


def keys_of(node: cst.CSTNode) -> list[str]:
    """Return the keys of a dict literal; "" for a key that is no string literal."""
    elements = node.elements if isinstance(node, cst.Dict) else ()
    return [text_of(item.key) for item in elements if isinstance(item, cst.DictElement)]


def without(node: cst.Dict, element: cst.DictElement) -> Removed:
    """Return the dict *node* without *element*."""
    index = [item is element for item in node.elements].index(True)
    gaps = _gaps(node)
    before, after = gaps[index], gaps[index + 1]
    is_last = index + 1 == len(node.elements)
    gaps[index : index + 2] = [_merged(before, after, is_last)]
    rest = [item for item in node.elements if item is not element]
    above = before.empty_lines if isinstance(before, cst.ParenthesizedWhitespace) else ()
    beside = after.first_line.comment if isinstance(after, cst.ParenthesizedWhitespace) else None
    final = element.comma if is_last else node.elements[-1].comma
    comments = [line for line in above if line.comment]
    return Removed(_joined(node, rest, gaps, final), comments, beside)


def _gaps(node: cst.Dict) -> list[cst.BaseParenthesizableWhitespace]:
    """Return the space before, between and after the elements."""
    commas = [item.comma for item in node.elements[:-1]]
    between = [comma.whitespace_after for comma in commas if isinstance(comma, cst.Comma)]
    return [node.lbrace.whitespace_after, *between, node.rbrace.whitespace_before]


def _merged(
    before: cst.BaseParenthesizableWhitespace,
    after: cst.BaseParenthesizableWhitespace,
    is_last: bool,
) -> cst.BaseParenthesizableWhitespace:
    over_lines = cst.ParenthesizedWhitespace
    if isinstance(before, over_lines) and isinstance(after, over_lines):
        return after.with_changes(first_line=before.first_line)
    return after if is_last else before


def _joined(
    node: cst.Dict,
    elements: Sequence[cst.BaseDictElement],
    gaps: Sequence[cst.BaseParenthesizableWhitespace],
    final: cst.Comma | cst.MaybeSentinel,
) -> cst.Dict:
    first, *between, last = gaps if elements else (gaps[0], gaps[0])
    commas = [*(cst.Comma(whitespace_after=gap) for gap in between), final]
    pairs = zip(elements, commas, strict=False)
    written = [item.with_changes(comma=comma) for item, comma in pairs]
    return node.with_changes(
        elements=written,
        lbrace=cst.LeftCurlyBrace(first),
        rbrace=cst.RightCurlyBrace(last if elements else cst.SimpleWhitespace("")),
    )
