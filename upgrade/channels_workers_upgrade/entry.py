"""Rewrites ``asgi.py``, the entry point of interface servers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from channels_workers_upgrade.bindings import bindings, source_module
from channels_workers_upgrade.routing import assigned
from channels_workers_upgrade.scopes import Names, Statement
from channels_workers_upgrade.statements import (
    Alias,
    divide,
    import_names,
    removed,
    replaced,
    write_alias,
)
from channels_workers_upgrade.tree import Edit, Tree

FILE = "asgi.py"

_HOME = "channels.asgi"
_HERE = "channels_workers.asgi"
_OLD = "get_channel_layer"
_NEW = "get_application"
_APPLICATION = "application"


class _Found(NamedTuple):
    """A call of the old function, its imports, and the imported names with no other use."""

    called: ast.expr
    imports: list[Statement]
    unused: list[ast.alias]


def rewrite_entry(tree: Tree) -> list[Edit]:
    """Return the edits that make an application in place of the layer that 1.x gave to servers.

    None, if the layer has another use.
    """
    names = Names(tree)
    if tree.module in names[_APPLICATION].scopes:
        return []
    found = [*_by_name(names), *_by_module(tree)]
    alone = [node for node in tree.module.body if tree.is_alone(node)]
    made = {called: node for node in alone if (called := _called(node))}
    if len(found) != 1 or found[0].called not in made or not set(found[0].imports) <= set(alone):
        return []
    statement = made[found[0].called]
    edits = [replaced(tree, statement, _make_application(tree, statement))]
    for node in found[0].imports:
        texts = _imports(tree, node, found[0])
        edits.append(replaced(tree, node, texts) if texts else removed(tree, node))
    return edits


def _called(statement: ast.stmt) -> ast.expr | None:
    """Return the function in ``name = function()``."""
    _, value = assigned(statement)
    return value.func if isinstance(value, ast.Call) else None


def _by_name(names: Names) -> Iterator[_Found]:
    """Yield the uses of ``from channels.asgi import get_channel_layer``."""
    scope = names.tree.module
    for node in names.imports.get(scope, ()):
        if isinstance(node, ast.ImportFrom) and source_module(node) == _HOME:
            for name in _local_names(node):
                for use in names[name].uses.get(scope, ()):
                    yield _Found(use, [node], [])


def _local_names(node: ast.ImportFrom) -> list[str]:
    """Return the names that an import binds to the function."""
    return [alias.asname or _OLD for alias in node.names if alias.name == _OLD]


def _by_module(tree: Tree) -> Iterator[_Found]:
    """Yield the uses through a module: ``channels.asgi.get_channel_layer``."""
    for binding in bindings(tree):
        uses = [use for use in binding.uses if use.path == f"{_HOME}.{_OLD}"]
        is_only_use = len(binding.uses) == 1 and not binding.is_value
        unused = [imported.alias for imported in binding.imports] if is_only_use else []
        statements = list(dict.fromkeys(imported.statement for imported in binding.imports))
        for use in uses:
            yield _Found(use.node, statements, unused)


def _imports(tree: Tree, node: Statement, found: _Found) -> list[str]:
    """Return the imports in place of *node*."""
    if isinstance(node, ast.ImportFrom) and source_module(node) == _HOME:
        return _imports_of_names(tree, node)
    names = [alias for alias in node.names if alias not in found.unused]
    kept: list[str] = []
    if len(names) == len(node.names):
        kept = [tree.source(node)]
    elif names:
        written = ", ".join(write_alias(alias.name, alias.asname) for alias in names)
        start = f"from {source_module(node)} " if isinstance(node, ast.ImportFrom) else ""
        kept = [f"{start}import {written}"]
    is_last = node is found.imports[-1]
    return [*kept, import_names(_HERE, [_NEW])] if is_last else kept


def _make_application(tree: Tree, statement: ast.stmt) -> list[str]:
    name, call = assigned(statement)
    given = ""
    if isinstance(call, ast.Call):
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        given = "".join(f"alias={tree.source(argument)}" for argument in arguments[:1])
    return [f"{_APPLICATION} = {_NEW}({given})", f"{name} = {_APPLICATION}"]


def _imports_of_names(tree: Tree, node: ast.ImportFrom) -> list[str]:
    groups: dict[str, list[Alias]] = {}
    for alias in node.names:
        is_old = alias.name == _OLD
        text = _NEW if is_old else write_alias(alias.name, alias.asname)
        groups.setdefault(_HERE if is_old else _HOME, []).append(Alias(alias, text))
    return divide(tree, node, groups)
