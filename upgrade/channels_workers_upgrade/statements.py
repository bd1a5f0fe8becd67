"""Creates import statements, and splits them with their comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import libcst as cst

#: A comment for a tool: each of the new lines gets it.
_DIRECTIVE = re.compile(r"#\s*(noqa|type:|isort|pylint|pragma)", re.IGNORECASE)

#: Longer imports span several lines if they did before.
_WIDTH = 79

_INDENT = "    "


def dotted(path: str) -> cst.Attribute | cst.Name:
    """Return the expression of a dotted path."""
    return cast("cst.Attribute | cst.Name", cst.parse_expression(path))


def import_module(path: str) -> cst.Import:
    """Return ``import path``; *path* may end with ``as name``."""
    line = cst.ensure_type(cst.parse_statement(f"import {path}"), cst.SimpleStatementLine)
    return cst.ensure_type(line.body[0], cst.Import)


def import_names(module: str, names: Iterable[str]) -> cst.ImportFrom:
    """Return ``from module import names``."""
    aliases = [cst.ImportAlias(cst.Name(name)) for name in names]
    return cst.ImportFrom(dotted(module), aliases)


def divide(
    node: cst.ImportFrom, groups: Mapping[str, Sequence[tuple[cst.ImportAlias, cst.ImportAlias]]]
) -> list[cst.ImportFrom]:
    """Return one import for each module in *groups*, with its new aliases."""
    if len(groups) == 1:
        ((module, pairs),) = groups.items()
        return [node.with_changes(module=dotted(module), names=[new for _, new in pairs])]
    remarks = _remarks(node)
    return [_one_of_several(node, module, pairs, remarks) for module, pairs in groups.items()]


def lines(
    line: cst.SimpleStatementLine, statements: Sequence[cst.BaseSmallStatement]
) -> list[cst.SimpleStatementLine]:
    """Return one line for each of *statements*; the first keeps the comments of *line*."""
    remark = line.trailing_whitespace.comment
    end = line.trailing_whitespace
    if remark is None or not _DIRECTIVE.match(remark.value):
        end = cst.TrailingWhitespace()
    first, *others = statements
    return [
        line.with_changes(body=[first]),
        *(cst.SimpleStatementLine([item], trailing_whitespace=end) for item in others),
    ]


@dataclass(frozen=True)
class _Remarks:
    """The comments of an import in parentheses."""

    top: cst.Comment | None
    before: dict[cst.ImportAlias, list[cst.EmptyLine]]
    after: dict[cst.ImportAlias, cst.Comment]

    def has_any(self, aliases: Iterable[cst.ImportAlias]) -> bool:
        found = (self.top or self.before.get(alias) or self.after.get(alias) for alias in aliases)
        return any(found)


def _remarks(node: cst.ImportFrom) -> _Remarks:
    top, lines_before = _comments(node.lpar.whitespace_after if node.lpar else None)
    before, after = {}, {}
    for alias in cast("Sequence[cst.ImportAlias]", node.names):
        before[alias] = lines_before
        space = alias.comma.whitespace_after if isinstance(alias.comma, cst.Comma) else None
        if space is None and node.rpar:
            space = node.rpar.whitespace_before
        remark, lines_before = _comments(space)
        if remark:
            after[alias] = remark
    return _Remarks(top, before, after)


def _comments(
    space: cst.BaseParenthesizableWhitespace | None,
) -> tuple[cst.Comment | None, list[cst.EmptyLine]]:
    """Return the comment at the end of the line, and the lines with comments below it."""
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return None, []
    return space.first_line.comment, [line for line in space.empty_lines if line.comment]


def _one_of_several(
    node: cst.ImportFrom,
    module: str,
    pairs: Sequence[tuple[cst.ImportAlias, cst.ImportAlias]],
    remarks: _Remarks,
) -> cst.ImportFrom:
    aliases = [new.with_changes(comma=cst.MaybeSentinel.DEFAULT) for _, new in pairs]
    short = cst.ImportFrom(dotted(module), aliases, whitespace_after_import=_space(" "))
    width = len(cst.Module([]).code_for_node(short))
    is_over_lines = node.lpar is not None and width > _WIDTH
    if not is_over_lines and not remarks.has_any(old for old, _ in pairs):
        return short
    return _over_lines(short, pairs, remarks)


def _over_lines(
    node: cst.ImportFrom,
    pairs: Sequence[tuple[cst.ImportAlias, cst.ImportAlias]],
    remarks: _Remarks,
) -> cst.ImportFrom:
    following = [remarks.before.get(old, []) for old, _ in pairs][1:]
    names = []
    for (old, new), lines_before in zip(pairs, [*following, None], strict=True):
        space = _line_end(remarks.after.get(old), lines_before)
        names.append(new.with_changes(comma=cst.Comma(whitespace_after=space)))
    first = _line_end(remarks.top, remarks.before.get(pairs[0][0], []))
    return node.with_changes(names=names, lpar=cst.LeftParen(first), rpar=cst.RightParen())


def _line_end(
    remark: cst.Comment | None, lines_before: Sequence[cst.EmptyLine] | None
) -> cst.ParenthesizedWhitespace:
    """Return the end of a line in parentheses; *lines_before* is None for the last line."""
    end = cst.TrailingWhitespace(_space("  " if remark else ""), remark)
    indent = _INDENT if lines_before is not None else ""
    return cst.ParenthesizedWhitespace(end, lines_before or [], True, _space(indent))


def _space(value: str) -> cst.SimpleWhitespace:
    return cst.SimpleWhitespace(value)
