"""Rewrites the imports of a file, and the expressions that use them."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
from libcst.helpers import get_full_name_for_node_or_raise as dotted_name

from channels_workers_upgrade.bindings import bindings, source_module
from channels_workers_upgrade.lookup import find, names_of, new_module
from channels_workers_upgrade.renames import OLD
from channels_workers_upgrade.rewrites import plan
from channels_workers_upgrade.scopes import Statement
from channels_workers_upgrade.statements import (
    divide,
    dotted,
    import_module,
    import_names,
    lines,
)
from channels_workers_upgrade.tree import Rewriter, Tree

Small = Sequence[cst.BaseSmallStatement]


def rewrite_imports(tree: Tree) -> cst.Module:
    """Return the module with every name that works as before imported from the engine."""
    rewriter = _Rewriter({node.value for node in tree.all(cst.Name)})
    for binding in bindings(tree):
        rewrite = plan(binding)
        rewriter.modules.update(rewrite.modules)
        rewriter.keeps_name |= rewrite.keeps_name
        rewriter.expressions.update(rewrite.expressions)
        rewriter.added.setdefault(binding.imports[0].statement, []).extend(rewrite.added)
    statements = [node for node in tree.nodes if isinstance(node, Statement) and _is_of_old(node)]
    return tree.rewrite([*statements, *rewriter.expressions], rewriter)


def _is_of_old(node: Statement) -> bool:
    """Whether an import is of the package of 1.1.8, or of Channels 4."""
    if isinstance(node, cst.ImportFrom):
        return source_module(node).partition(".")[0] == OLD
    return any(alias.evaluated_name.partition(".")[0] == OLD for alias in node.names)


class _Rewriter(Rewriter):
    """Applies the planned rewrites; a statement that becomes several gets several lines."""

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = names
        self.modules: dict[cst.ImportAlias, str] = {}
        self.keeps_name: set[cst.ImportAlias] = set()
        self.added: dict[Statement, list[str]] = {}
        self.expressions: dict[cst.CSTNode, str] = {}

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        if original_node not in self.expressions:
            return updated_node
        expression = dotted(self.expressions[original_node])
        return expression.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        body = self._rewrite_body(original_node.body, updated_node.body)
        if len(original_node.body) == 1 and len(body) > 1:
            return cst.FlattenSentinel(lines(updated_node, body))
        return updated_node.with_changes(body=body)

    def leave_SimpleStatementSuite(
        self, original_node: cst.SimpleStatementSuite, updated_node: cst.SimpleStatementSuite
    ) -> cst.BaseSuite:
        return updated_node.with_changes(
            body=self._rewrite_body(original_node.body, updated_node.body)
        )

    def _rewrite_body(self, originals: Small, updated: Small) -> Small:
        body: list[cst.BaseSmallStatement] = []
        for original, statement in zip(originals, updated, strict=True):
            new = self._rewrite(original) or [statement]
            if len(new) > 1 or new[0] is not statement:
                last = new[-1].with_changes(semicolon=original.semicolon)
                new = [*new[:-1], last]
            body += new
        return body

    def _rewrite(self, node: cst.BaseSmallStatement) -> Small:
        """Return the new statements for an import, none for another statement."""
        if isinstance(node, cst.Import):
            return [self._import(node), *self._added(node)]
        if isinstance(node, cst.ImportFrom) and source_module(node):
            if isinstance(node.names, cst.ImportStar):
                return self._import_all(node)
            return [*self._import_from(node, node.names), *self._added(node)]
        return []

    def _added(self, node: Statement) -> list[cst.Import]:
        return [import_module(path) for path in dict.fromkeys(self.added.get(node, ()))]

    def _import(self, node: cst.Import) -> cst.Import:
        names = [self._alias_of_import(alias) for alias in node.names]
        return node.with_changes(names=names)

    def _alias_of_import(self, alias: cst.ImportAlias) -> cst.ImportAlias:
        if alias not in self.modules:
            return alias
        asname = alias.asname
        if alias in self.keeps_name:
            asname = cst.AsName(cst.Name(dotted_name(alias.name)))
        return alias.with_changes(name=dotted(self.modules[alias]), asname=asname)

    def _import_all(self, node: cst.ImportFrom) -> list[cst.ImportFrom]:
        module = source_module(node)
        target = new_module(module)
        if not target:
            return [node]
        elsewhere: dict[str, list[str]] = {}
        for name, path in sorted(names_of(module).items()):
            home = path.rpartition(".")[0]
            if home != target and name in self.names:
                elsewhere.setdefault(home, []).append(name)
        others = [import_names(home, names) for home, names in elsewhere.items()]
        return [node.with_changes(module=dotted(target)), *others]

    def _import_from(
        self, node: cst.ImportFrom, names: Sequence[cst.ImportAlias]
    ) -> list[cst.ImportFrom]:
        module = source_module(node)
        groups: dict[str, list[tuple[cst.ImportAlias, cst.ImportAlias]]] = {}
        for alias in names:
            path = self._new_path(module, alias)
            home, _, name = path.rpartition(".")
            groups.setdefault(home, []).append((alias, _renamed(alias, name)))
        return [node] if list(groups) == [module] else divide(node, groups)

    def _new_path(self, module: str, alias: cst.ImportAlias) -> str:
        path = f"{module}.{alias.evaluated_name}"
        if alias in self.modules:
            return self.modules[alias]
        rename = find(path)
        return rename.target if rename and rename.is_same else path


def _renamed(alias: cst.ImportAlias, name: str) -> cst.ImportAlias:
    """Return *alias* importing *name*, and still binding the old name."""
    if alias.evaluated_name == name:
        return alias
    asname = alias.asname or cst.AsName(cst.Name(alias.evaluated_name))
    return alias.with_changes(name=cst.Name(name), asname=asname)
