"""Writes import statements, and splits them with their comments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from channels_workers_upgrade.gaps import comment_beside, comments_above
from channels_workers_upgrade.tree import Edit, Tree

#: A comment for a tool: each of the new lines gets it.
_DIRECTIVE = re.compile(r"\s*#\s*(noqa|type:|isort|pylint|pragma)", re.IGNORECASE)

#: The module of a ``from`` import.
_MODULE = re.compile(r"(from[\s\\]+)\w+(?:[\s\\]*\.[\s\\]*\w+)*")

#: Longer imports span several lines if they did before.
_WIDTH = 79

_INDENT = "    "


class Alias(NamedTuple):
    """A name in the *old* import, and how the new one writes it."""

    old: ast.alias
    text: str


def write_alias(name: str, asname: str | None) -> str:
    """Return ``name as asname``, or the name alone."""
    return f"{name} as {asname}" if asname else name


def import_names(module: str, names: Iterable[str]) -> str:
    """Return ``from module import names``."""
    return f"from {module} import {', '.join(names)}"


def replaced(tree: Tree, statement: ast.stmt, texts: Sequence[str]) -> Edit:
    """Return the edit that writes *texts* in place of a statement, each on its own line.

    The first keeps the comment of the line, and the others have it too, if it is for a tool. Beside
    other statements on the line they stay on it.
    """
    start, end = tree.start(statement), tree.end(statement)
    if len(texts) == 1 or not tree.is_alone(statement):
        return Edit(start, end, "; ".join(texts))
    remark = tree.remark(statement)
    repeated = remark if _DIRECTIVE.match(remark) else ""
    first, *others = texts
    lines = [f"{first}{remark}", *(f"{text}{repeated}" for text in others)]
    text = f"{tree.newline}{tree.indent(statement)}".join(lines)
    return Edit(start, end + len(remark.encode()), text)


def removed(tree: Tree, statement: ast.stmt) -> Edit:
    """Return the edit that removes a statement that is alone, with its lines."""
    start = tree.start(statement) - len(tree.indent(statement))
    end = tree.end(statement) + len(tree.remark(statement).encode())
    following = tree.data[end : end + 2]
    return Edit(start, end + (2 if following == b"\r\n" else len(following[:1])), "")


def divide(tree: Tree, node: ast.ImportFrom, groups: Mapping[str, Sequence[Alias]]) -> list[str]:
    """Return one import for each module in *groups*, with its new names."""
    if len(groups) == 1:
        ((module, aliases),) = groups.items()
        return [_moved(tree, node, module, aliases)]
    remarks = _remarks(tree, node)
    end = f"{tree.newline}{tree.indent(node)}"
    return [_one_of_several(module, names, remarks, end) for module, names in groups.items()]


def _moved(tree: Tree, node: ast.ImportFrom, module: str, aliases: Iterable[Alias]) -> str:
    """Return the import with another module, and otherwise as it is written."""
    text, begin = tree.source(node).encode(), tree.start(node)
    for old, new in sorted(aliases, key=lambda alias: -tree.start(alias.old)):
        if new != write_alias(old.name, old.asname):
            text = text[: tree.start(old) - begin] + new.encode() + text[tree.end(old) - begin :]
    return _MODULE.sub(rf"\g<1>{module}", text.decode(), count=1)


class _Remarks(NamedTuple):
    """The comments of an import, and whether it has parentheses."""

    is_in_parentheses: bool
    top: str
    before: dict[ast.alias, list[str]]
    after: dict[ast.alias, str]
    below: dict[ast.alias, list[str]]

    def has_any(self, aliases: Iterable[Alias]) -> bool:
        parts = (self.before, self.after, self.below)
        found = (part.get(old) for old, _ in aliases for part in parts)
        return bool(self.top) or any(found)


def _remarks(tree: Tree, node: ast.ImportFrom) -> _Remarks:
    starts = [tree.start(node), *map(tree.end, node.names)]
    ends = [*map(tree.start, node.names), tree.end(node)]
    gaps = [tree.data[start:end].decode() for start, end in zip(starts, ends, strict=True)]
    before = dict(zip(node.names, map(comments_above, gaps), strict=False))
    after = dict(zip(node.names, map(comment_beside, gaps[1:]), strict=True))
    below = {node.names[-1]: comments_above(gaps[-1])}
    return _Remarks("(" in gaps[0], comment_beside(gaps[0]), before, after, below)


def _one_of_several(module: str, aliases: Sequence[Alias], remarks: _Remarks, line_end: str) -> str:
    short = import_names(module, [text for _, text in aliases])
    is_long = remarks.is_in_parentheses and len(short) > _WIDTH
    if not is_long and not remarks.has_any(aliases):
        return short
    lines = [_with(f"from {module} import (", remarks.top)]
    for old, text in aliases:
        lines += [f"{_INDENT}{comment}" for comment in remarks.before.get(old, ())]
        lines.append(_INDENT + _with(f"{text},", remarks.after.get(old, "")))
        lines += [f"{_INDENT}{comment}" for comment in remarks.below.get(old, ())]
    return line_end.join([*lines, ")"])


def _with(text: str, comment: str) -> str:
    return f"{text}  {comment}" if comment else text
