"""Finds where a name is bound and used: a light form of the scopes of LibCST."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import libcst as cst

from channels_workers_upgrade.tree import Tree

Statement = cst.Import | cst.ImportFrom

#: A module, a function, a class or a comprehension.
Scope = cst.CSTNode

_FUNCTIONS = cst.FunctionDef | cst.Lambda
_COMPREHENSIONS = cst.GeneratorExp | cst.ListComp | cst.SetComp | cst.DictComp


@dataclass
class Bound:
    """Where one name is bound and used.

    *scopes*: those that bind it. *otherwise*: those that bind it by something else than an import.
    *uses*: the expressions that read it, by the scope that binds it.
    """

    scopes: set[Scope] = field(default_factory=set)
    otherwise: set[Scope] = field(default_factory=set)
    uses: dict[Scope, list[cst.Name]] = field(default_factory=dict)


class Names:
    """The names of a file.

    A name counts as bound in all of its scope, also above the statement that binds it.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._found: dict[str, Bound] = {}

    def __getitem__(self, name: str) -> Bound:
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    @cached_property
    def imports(self) -> dict[Scope, list[Statement]]:
        """The import statements of each scope, in the order of the file."""
        found: dict[Scope, list[Statement]] = {}
        for node in self.tree.nodes:
            if isinstance(node, Statement):
                found.setdefault(next(self._around(node)), []).append(node)
        return found

    def _find(self, name: str) -> Bound:
        found = Bound()
        nodes = [node for node in self.tree.all(cst.Name) if node.value == name]
        expressions = [node for node in nodes if not self._is_label(node)]
        moved = self._moved(nodes)
        for node in filter(self._is_store, expressions):
            scope = self._home(node)
            found.otherwise.add(moved.get(scope, scope))
        importing = [scope for scope, items in self.imports.items() if name in _names_of(items)]
        found.scopes = found.otherwise | {moved.get(scope, scope) for scope in importing}
        for node in expressions:
            visible = (moved.get(scope, scope) for scope in self._visible(node))
            home = next((scope for scope in visible if scope in found.scopes), None)
            if home is not None and not self._is_store(node):
                found.uses.setdefault(home, []).append(node)
        return found

    def _is_label(self, node: cst.Name) -> bool:
        """Whether it is an attribute, a keyword or part of an import: no name of a scope."""
        parent = self.tree.parents[node]
        if isinstance(parent, cst.NameItem | cst.MatchKeywordElement):
            return True
        if isinstance(parent, cst.Arg):
            return parent.keyword is node
        if isinstance(parent, cst.Attribute) and parent.attr is node:
            return True
        return any(isinstance(item, Statement) for item in self.tree.ancestors(node))

    def _is_store(self, node: cst.Name) -> bool:
        """Whether it is bound here, as in ``name = ...``, ``for name in`` or ``def name``."""
        child: cst.CSTNode = node
        parent = self.tree.parents[node]
        while isinstance(parent, cst.Element | cst.StarredElement | cst.Tuple | cst.List):
            child, parent = parent, self.tree.parents[parent]
        is_target = getattr(parent, "target", None) is child and not isinstance(parent, cst.Del)
        return is_target or getattr(parent, "name", None) is child

    def _moved(self, nodes: Iterable[cst.Name]) -> dict[Scope, Scope]:
        """Return the scopes in which ``global`` or ``nonlocal`` says that a name is of another."""
        moved: dict[Scope, Scope] = {}
        for node in nodes:
            item = self.tree.parents[node]
            if isinstance(item, cst.NameItem):
                inner, *outer = self._around(node)
                is_global = isinstance(self.tree.parents[item], cst.Global)
                moved[inner] = outer[-1 if is_global else 0] if outer else inner
        return moved

    def _home(self, node: cst.Name) -> Scope:
        """Return the scope in which a statement or expression binds *node*."""
        is_walrus = isinstance(self.tree.parents[node], cst.NamedExpr)
        scopes = self._around(node)
        return next(
            scope for scope in scopes if not (is_walrus and isinstance(scope, _COMPREHENSIONS))
        )

    def _visible(self, node: cst.CSTNode) -> Iterator[Scope]:
        """Yield the scopes in which *node* is looked up: of classes only its own."""
        for index, scope in enumerate(self._around(node)):
            if not index or not isinstance(scope, cst.ClassDef):
                yield scope

    def _around(self, node: cst.CSTNode) -> Iterator[Scope]:
        """Yield the scopes around *node*, from the inside."""
        is_outside = False  # defaults, annotations and the first iterable belong to the next scope
        for parent in self.tree.ancestors(node):
            if isinstance(parent, cst.Param):
                is_outside = node is not parent.name
            elif isinstance(parent, cst.CompFor):
                is_outside = node is parent.iter
            elif _is_inside(node, parent):
                if not is_outside:
                    yield parent
                is_outside = False
            node = parent


def _is_inside(node: cst.CSTNode, parent: cst.CSTNode) -> bool:
    """Whether *parent* is a scope, and its child *node* is in it."""
    if isinstance(parent, _FUNCTIONS):
        return node is parent.body or node is parent.params
    if isinstance(parent, cst.ClassDef):
        return node is parent.body
    return isinstance(parent, cst.Module | _COMPREHENSIONS)


def _names_of(statements: Iterable[Statement]) -> set[str]:
    """Return the names that imports bind."""
    found: set[str] = set()
    for statement in statements:
        if not isinstance(statement.names, cst.ImportStar):
            for alias in statement.names:
                name = alias.evaluated_alias or alias.evaluated_name
                found.add(name.partition(".")[0])
    return found
