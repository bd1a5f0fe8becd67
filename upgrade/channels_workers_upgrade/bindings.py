"""Finds names that imports bind to modules of Channels 1.1.8, and their uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import libcst as cst
from libcst.helpers import get_full_name_for_node_or_raise as dotted_name

from channels_workers_upgrade.lookup import is_old_module
from channels_workers_upgrade.renames import OLD
from channels_workers_upgrade.scopes import Names, Scope, Statement
from channels_workers_upgrade.tree import Tree


class Use(NamedTuple):
    """An expression such as ``channels.Group.send``, and the dotted path that it resolves to."""

    node: cst.Attribute | cst.Name
    path: str


class Imported(NamedTuple):
    """One name in an import statement, and its module."""

    statement: Statement
    alias: cst.ImportAlias
    module: str


@dataclass
class Binding:
    """A name that *imports* bind to *module* in one scope.

    *is_value*: the name is bound again, or used without an attribute, as in ``f(channels)``.
    """

    name: str
    module: str
    imports: list[Imported] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    is_value: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is ``import channels`` or ``import channels.sessions``, without ``as``."""
        first = self.imports[0]
        return isinstance(first.statement, cst.Import) and first.alias.asname is None


def source_module(statement: cst.ImportFrom) -> str:
    """Return the module of a ``from`` import, "" if it is relative."""
    if statement.relative or statement.module is None:
        return ""
    return dotted_name(statement.module)


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
    if isinstance(statement.names, cst.ImportStar):
        return
    prefix = "" if isinstance(statement, cst.Import) else f"{source_module(statement)}."
    for alias in statement.names:
        module = prefix + dotted_name(alias.name)
        imported = Imported(statement, alias, module)
        if alias.asname is None and not prefix:
            if module.partition(".")[0] == OLD:
                yield OLD, OLD, imported
        elif is_old_module(module):
            yield alias.evaluated_alias or alias.evaluated_name, module, imported


def _add_use(binding: Binding, root: cst.Name, tree: Tree) -> None:
    whole = _whole_chain(root, tree)
    if whole is root:
        binding.is_value = True
    else:
        path = binding.module + dotted_name(whole).removeprefix(binding.name)
        binding.uses.append(Use(whole, path))


def _whole_chain(root: cst.Name, tree: Tree) -> cst.Attribute | cst.Name:
    node: cst.CSTNode = root
    while isinstance(parent := tree.parents[node], cst.Attribute) and parent.value is node:
        node = parent
    return cast("cst.Attribute | cst.Name", node)
