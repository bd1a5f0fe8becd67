"""Finds names that imports bind to modules of Channels 1.1.8, and their uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from channels_workers_upgrade.lookup import is_old_module
from channels_workers_upgrade.renames import OLD
from channels_workers_upgrade.scopes import Names, Scope, Statement
from channels_workers_upgrade.tree import Tree, dotted_name


class Use(NamedTuple):
    """An expression such as ``channels.Group.send``, and the dotted path that it resolves to."""

    node: ast.Attribute
    path: str


class Imported(NamedTuple):
    """One name in an import statement, and its module."""

    statement: Statement
    alias: ast.alias
    module: str


class Binding:
    """A name that *imports* bind to *module* in one scope.

    *is_value*: the name is bound again, or used without an attribute, as in ``f(channels)``.
    """

    def __init__(self, name: str, module: str) -> None:
        self.name = name
        self.module = module
        self.imports: list[Imported] = []
        self.uses: list[Use] = []
        self.is_value = False

    @property
    def is_plain(self) -> bool:
        """Whether it is ``import channels`` or ``import channels.sessions``, without ``as``."""
        first = self.imports[0]
        return isinstance(first.statement, ast.Import) and first.alias.asname is None


def source_module(statement: ast.ImportFrom) -> str:
    """Return the module of a ``from`` import, "" if it is relative."""
    return "" if statement.level else statement.module or ""


def has_star(statement: Statement) -> bool:
    """Return whether it imports everything."""
    return statement.names[0].name == "*"


def bindings(tree: Tree) -> list[Binding]:
    """Return the names bound to modules of 1.1.8 or to the package itself."""
    names = Names(tree)
    return [
        binding
        for scope, statements in names.imports.items()
        for binding in _in_scope(scope, statements, names)
    ]


def _in_scope(scope: Scope, statements: list[Statement], names: Names) -> Iterator[Binding]:
    found: dict[str, Binding] = {}
    for statement in statements:
        for name, bound_to, imported in _imported(statement):
            binding = found.setdefault(name, Binding(name, bound_to))
            binding.imports.append(imported)
    for binding in found.values():
        bound = names[binding.name]
        binding.is_value = scope in bound.otherwise
        for node in bound.uses.get(scope, ()):
            _add_use(binding, node, names.tree)
        yield binding


def _imported(statement: Statement) -> Iterator[tuple[str, str, Imported]]:
    """Yield each name that *statement* binds to a module, the module, and the import."""
    prefix = "" if isinstance(statement, ast.Import) else f"{source_module(statement)}."
    for alias in statement.names:
        module = prefix + alias.name
        imported = Imported(statement, alias, module)
        if alias.asname is None and not prefix:
            if module.partition(".")[0] == OLD:
                yield OLD, OLD, imported
        elif is_old_module(module):
            yield alias.asname or alias.name, module, imported


def _add_use(binding: Binding, root: ast.Name, tree: Tree) -> None:
    """Add a use; one in an f-string, whose place Python 3.11 may not know, stays as it is."""
    node: ast.AST = root
    while isinstance(parent := tree.parents[node], ast.Attribute):
        node = parent
    path = dotted_name(node)
    if not isinstance(node, ast.Attribute) or _spelled(tree.source(node)) != path:
        binding.is_value = True
    else:
        binding.uses.append(Use(node, binding.module + path.removeprefix(binding.name)))


def _spelled(text: str) -> str:
    """Return a dotted path without the spaces in it."""
    return "".join(text.replace("\\", "").split())
