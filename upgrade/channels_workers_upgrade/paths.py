"""Finds paths of messages that are decoded: they were bytes in Python 2, and are text here."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from channels_workers_upgrade.findings import Remark
from channels_workers_upgrade.scopes import Names, Scope
from channels_workers_upgrade.strings import called_name, text_of
from channels_workers_upgrade.tree import Tree, last_name

_CURE = "a path is text: remove the call"

#: Methods of a path that return such a path.
_STRIPS = {"strip", "lstrip", "rstrip"}


def find_decoded_paths(tree: Tree) -> Iterator[Remark]:
    """Yield a finding for each path of a message that is decoded, also by way of a variable."""
    paths = _Paths(tree)
    for call in tree.all(ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(attr="decode", value=value)) if paths.is_path(value):
                yield Remark(call, f"`{_written(value)}.decode`", _CURE)
            case ast.Call(func=ast.Name("str"), args=[value, _, *_]) if paths.is_path(value):
                yield Remark(call, f"`str({_written(value)}, ...)`", _CURE)


class _Paths:
    """The paths of messages in a file, and the variables that hold nothing else."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.names = Names(tree)

    def is_path(self, node: ast.expr) -> bool:
        """Whether *node* is a path of a message, or a variable for one."""
        if not isinstance(node, ast.Name):
            return _is_path(node)
        uses = self.names[node.id].uses.items()
        scope = next((scope for scope, nodes in uses if node in nodes), None)
        values = [value for home, value in self._values(node.id) if home is scope]
        return bool(values) and all(map(_is_path, values))

    def _values(self, name: str) -> Iterator[tuple[Scope, ast.expr | None]]:
        """Yield each binding of *name*: its scope and its value, None for another than ``=``."""
        for node in self.tree.all(ast.Name):
            if node.id == name and isinstance(node.ctx, ast.Store):
                parent = self.tree.parents[node]
                is_plain = isinstance(parent, ast.Assign) and node in parent.targets
                value = parent.value if isinstance(parent, ast.Assign) and is_plain else None
                yield next(self.names.around(node)), value
        for parameter in self.tree.all(ast.arg):
            if parameter.arg == name:
                yield next(self.names.around(parameter)), None


def _is_path(node: ast.expr | None) -> bool:
    """Whether it is ``message["path"]`` or ``message.content.get("path")``, maybe stripped."""
    match node:
        case ast.Subscript(value=owner, slice=key):
            return text_of(key) == "path" and last_name(owner) in {"message", "content"}
        case ast.Call(func=ast.Attribute(attr="get", value=owner), args=[key, *_]):
            return text_of(key) == "path" and last_name(owner) in {"message", "content"}
        case ast.Call(func=ast.Attribute(value=owner)):
            return called_name(node) in _STRIPS and _is_path(owner)
    return False


def _written(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else '["path"]'
