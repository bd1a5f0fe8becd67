"""Rewrites the imports of a file, and the expressions that use them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from channels_workers_upgrade.bindings import bindings, has_star, source_module
from channels_workers_upgrade.lookup import find, names_of, new_module
from channels_workers_upgrade.renames import OLD
from channels_workers_upgrade.rewrites import plan
from channels_workers_upgrade.scopes import Statement
from channels_workers_upgrade.statements import (
    Alias,
    divide,
    import_names,
    replaced,
    write_alias,
)
from channels_workers_upgrade.tree import Edit, Tree


def rewrite_imports(tree: Tree) -> list[Edit]:
    """Return the edits that import every name that works as before from the engine."""
    return list(_Rewriter(tree).edits())


class _Rewriter:
    """Applies the planned rewrites; a statement that becomes several gets several lines."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.modules: dict[ast.alias, str] = {}
        self.keeps_name: set[ast.alias] = set()
        self.added: dict[Statement, list[str]] = {}
        self.expressions: dict[ast.Attribute, str] = {}
        for binding in bindings(tree):
            rewrite = plan(binding)
            self.modules.update(rewrite.modules)
            self.keeps_name |= rewrite.keeps_name
            self.expressions.update(rewrite.expressions)
            self.added.setdefault(binding.imports[0].statement, []).extend(rewrite.added)

    def edits(self) -> Iterator[Edit]:
        for node, path in self.expressions.items():
            yield Edit(self.tree.start(node), self.tree.end(node), path)
        for statement in self.tree.all(ast.Import):
            if any(alias in self.modules for alias in statement.names) or self._added(statement):
                texts = [self._import(statement), *self._added(statement)]
                yield replaced(self.tree, statement, texts)
        for imported in self.tree.all(ast.ImportFrom):
            if source_module(imported).partition(".")[0] == OLD:
                new = self._import_all if has_star(imported) else self._import_from
                texts = [*new(imported), *self._added(imported)]
                if texts != [self.tree.source(imported)]:
                    yield replaced(self.tree, imported, texts)

    def _added(self, node: Statement) -> list[str]:
        return [f"import {path}" for path in dict.fromkeys(self.added.get(node, ()))]

    def _import(self, node: ast.Import) -> str:
        text, begin = self.tree.source(node).encode(), self.tree.start(node)
        for alias in reversed(node.names):
            if alias in self.modules:
                asname = alias.name if alias in self.keeps_name else alias.asname
                new = write_alias(self.modules[alias], asname).encode()
                start, end = self.tree.start(alias) - begin, self.tree.end(alias) - begin
                text = text[:start] + new + text[end:]
        return text.decode()

    def _import_all(self, node: ast.ImportFrom) -> list[str]:
        module = source_module(node)
        target = new_module(module)
        if not target:
            return [self.tree.source(node)]
        used = {name.id for name in self.tree.all(ast.Name)}
        elsewhere: dict[str, list[str]] = {}
        for name, path in sorted(names_of(module).items()):
            home = path.rpartition(".")[0]
            if home != target and name in used:
                elsewhere.setdefault(home, []).append(name)
        others = [import_names(home, names) for home, names in elsewhere.items()]
        return [*divide(self.tree, node, {target: [Alias(node.names[0], "*")]}), *others]

    def _import_from(self, node: ast.ImportFrom) -> list[str]:
        module = source_module(node)
        groups: dict[str, list[Alias]] = {}
        for alias in node.names:
            home, _, name = self._new_path(module, alias).rpartition(".")
            asname = alias.asname or (alias.name if name != alias.name else None)
            groups.setdefault(home, []).append(Alias(alias, write_alias(name, asname)))
        if list(groups) == [module]:
            return [self.tree.source(node)]
        return divide(self.tree, node, groups)

    def _new_path(self, module: str, alias: ast.alias) -> str:
        path = f"{module}.{alias.name}"
        if alias in self.modules:
            return self.modules[alias]
        rename = find(path)
        return rename.target if rename and rename.is_same else path
