"""Rewrites ``asgi.py``, the entry point of interface servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import libcst as cst

from channels_workers_upgrade.bindings import bindings, source_module
from channels_workers_upgrade.routing import assigned
from channels_workers_upgrade.scopes import Names, Statement
from channels_workers_upgrade.statements import divide, import_names, lines
from channels_workers_upgrade.tree import Rewriter, Tree

FILE = "asgi.py"

_HOME = "channels.asgi"
_HERE = "channels_workers.asgi"
_OLD = "get_channel_layer"
_NEW = "get_application"
_APPLICATION = "application"


class _Found(NamedTuple):
    """A call of the old function, its imports, and the imported names with no other use."""

    called: cst.CSTNode
    imports: list[Statement]
    unused: list[cst.ImportAlias]


def rewrite_entry(tree: Tree) -> cst.Module:
    """Return the module with an application in place of the layer that 1.x gave to servers.

    It stays as it is if the layer has another use.
    """
    module, names = tree.module, Names(tree)
    if module in names[_APPLICATION].scopes:
        return module
    found = [*_by_name(names), *_by_module(tree)]
    lines_of = {
        line.body[0]: line
        for line in module.body
        if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
    }
    made = {_called(statement): line for statement, line in lines_of.items()}
    if len(found) != 1 or found[0].called not in made or not set(found[0].imports) <= set(lines_of):
        return module
    line = made[found[0].called]
    changed = [line, *(lines_of[statement] for statement in found[0].imports)]
    return tree.rewrite(changed, _Rewriter(line, found[0]))


def _called(statement: cst.CSTNode) -> cst.CSTNode | None:
    """Return the function in ``name = function()``."""
    _, value = assigned(statement)
    return value.func if isinstance(value, cst.Call) else None


def _by_name(names: Names) -> Iterator[_Found]:
    """Yield the uses of ``from channels.asgi import get_channel_layer``."""
    scope = names.tree.module
    for node in names.imports.get(scope, ()):
        if isinstance(node, cst.ImportFrom) and source_module(node) == _HOME:
            for name in _local_names(node):
                for use in names[name].uses.get(scope, ()):
                    yield _Found(use, [node], [])


def _local_names(node: cst.ImportFrom) -> list[str]:
    """Return the names that an import binds to the function."""
    own = [alias for alias in _aliases(node) if alias.evaluated_name == _OLD]
    return [alias.evaluated_alias or _OLD for alias in own]


def _aliases(node: Statement) -> Sequence[cst.ImportAlias]:
    return () if isinstance(node.names, cst.ImportStar) else node.names


def _by_module(tree: Tree) -> Iterator[_Found]:
    """Yield the uses through a module: ``channels.asgi.get_channel_layer``."""
    for binding in bindings(tree):
        uses = [use for use in binding.uses if use.path == f"{_HOME}.{_OLD}"]
        is_only_use = len(binding.uses) == 1 and not binding.is_value
        unused = [imported.alias for imported in binding.imports] if is_only_use else []
        statements = list(dict.fromkeys(imported.statement for imported in binding.imports))
        for use in uses:
            yield _Found(use.node, statements, unused)


class _Rewriter(Rewriter):
    def __init__(self, made: cst.CSTNode, found: _Found) -> None:
        super().__init__()
        self.made = made
        self.found = found

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel:
        if original_node is self.made:
            return cst.FlattenSentinel(_make_application(updated_node))
        statement = original_node.body[0]
        if not isinstance(statement, Statement) or statement not in self.found.imports:
            return updated_node
        new = self._imports(statement)
        return cst.FlattenSentinel(lines(updated_node, new)) if new else cst.RemoveFromParent()

    def _imports(self, node: Statement) -> list[Statement]:
        if isinstance(node, cst.ImportFrom) and source_module(node) == _HOME:
            return _imports_of_names(node)
        kept: list[Statement] = []
        if names := [alias for alias in _aliases(node) if alias not in self.found.unused]:
            names[-1] = names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            kept = [node.with_changes(names=names)]
        is_last = node is self.found.imports[-1]
        return [*kept, import_names(_HERE, [_NEW])] if is_last else kept


def _make_application(line: cst.SimpleStatementLine) -> list[cst.SimpleStatementLine]:
    name, call = assigned(line.body[0])
    arguments = call.args if isinstance(call, cst.Call) else ()
    alias = cst.Module([]).code_for_node(arguments[0].value) if arguments else ""
    given = f"alias={alias}" if alias else ""
    texts = [f"{_APPLICATION} = {_NEW}({given})", f"{name} = {_APPLICATION}"]
    made = [cst.ensure_type(cst.parse_statement(text), cst.SimpleStatementLine) for text in texts]
    return lines(line, [line.body[0] for line in made])


def _imports_of_names(node: cst.ImportFrom) -> list[Statement]:
    groups: dict[str, list[tuple[cst.ImportAlias, cst.ImportAlias]]] = {}
    for alias in _aliases(node):
        is_old = alias.evaluated_name == _OLD
        new = alias.with_changes(name=cst.Name(_NEW), asname=None) if is_old else alias
        groups.setdefault(_HERE if is_old else _HOME, []).append((alias, new))
    return [*divide(node, groups)]
