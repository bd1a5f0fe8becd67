"""Finds names that imports bind to modules of Channels 1.1.8, and their uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import libcst as cst
from libcst.helpers import get_full_name_for_node_or_raise as dotted_name
from libcst.metadata import (
    Assignment,
    ImportAssignment,
    MetadataWrapper,
    ParentNodeProvider,
    Scope,
    ScopeProvider,
)

from channels_workers_upgrade.lookup import is_old_module
from channels_workers_upgrade.renames import OLD

Parents = Mapping[cst.CSTNode, cst.CSTNode]
Statement = cst.Import | cst.ImportFrom


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


def bindings(wrapper: MetadataWrapper) -> list[Binding]:
    """Return the names bound to modules of 1.1.8 or to the package itself."""
    imports = _Imports()
    wrapper.module.visit(imports)
    if not any([*_imported(statement)] for statement in imports.statements):
        return []  # resolving scopes takes most of the time of a large file
    scopes = {scope for scope in wrapper.resolve(ScopeProvider).values() if scope is not None}
    parents = wrapper.resolve(ParentNodeProvider)
    return [binding for scope in scopes for binding in _in_scope(scope, parents)]


class _Imports(cst.CSTVisitor):
    """Collects all import statements, without a look into expressions."""

    def __init__(self) -> None:
        super().__init__()
        self.statements: list[Statement] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, Statement):
            self.statements.append(node)
        return isinstance(node, _HAS_STATEMENTS)


_HAS_STATEMENTS = (
    *(cst.Module, cst.BaseSuite, cst.BaseCompoundStatement, cst.SimpleStatementLine),
    *(cst.Else, cst.Finally, cst.ExceptHandler, cst.ExceptStarHandler, cst.MatchCase),
)


def _in_scope(scope: Scope, parents: Parents) -> Iterator[Binding]:
    found: dict[str, Binding] = {}
    for statement in _statements(scope):
        for name, bound_to, imported in _imported(statement):
            binding = found.setdefault(name, Binding(name, bound_to))
            binding.imports.append(imported)
    for binding in found.values():
        _find_uses(binding, scope, parents)
        yield binding


def _statements(scope: Scope) -> list[Statement]:
    """Return the import statements of a scope, each once, in the order of the file."""
    nodes = [item.node for item in scope.assignments if isinstance(item, ImportAssignment)]
    return [node for node in dict.fromkeys(nodes) if isinstance(node, Statement)]


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


def _find_uses(binding: Binding, scope: Scope, parents: Parents) -> None:
    for assignment in _assignments(binding, scope):
        if not isinstance(assignment, ImportAssignment):
            binding.is_value = True
        for access in assignment.references:
            root = _root(access.node)
            if not isinstance(root, cst.Name) or root not in parents:
                continue  # in an annotation that is a string
            whole = _whole_chain(root, parents)
            if whole is root:
                binding.is_value = True
            elif all(whole is not use.node for use in binding.uses):
                path = binding.module + dotted_name(whole).removeprefix(binding.name)
                binding.uses.append(Use(whole, path))


def _assignments(binding: Binding, scope: Scope) -> list[Assignment]:
    return [
        item
        for item in scope.assignments
        if isinstance(item, Assignment)
        and (item.name == binding.name or item.name.startswith(f"{binding.name}."))
    ]


def _root(node: cst.CSTNode) -> cst.CSTNode:
    while isinstance(node, cst.Attribute):
        node = node.value
    return node


def _whole_chain(root: cst.CSTNode, parents: Parents) -> cst.Attribute | cst.Name:
    node = root
    while isinstance(parent := parents[node], cst.Attribute) and parent.value is node:
        node = parent
    return cast("cst.Attribute | cst.Name", node)
