"""Finds where a name is bound and used."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property

from channels_workers_upgrade.tree import Tree

Statement = ast.Import | ast.ImportFrom

#: A module, a function, a class or a comprehension.
Scope = ast.AST

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp

#: Nodes other than ``ast.Name`` that bind a name, and their field for it.
_BINDERS: dict[type[ast.AST], str] = {
    ast.arg: "arg",
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
}


class Bound:
    """Where one name is bound and used.

    *scopes*: those that bind it. *otherwise*: those that bind it by something else than an import.
    *uses*: the expressions that read it, by the scope that binds it.
    """

    def __init__(self, scopes: set[Scope], otherwise: set[Scope]) -> None:
        self.scopes = scopes
        self.otherwise = otherwise
        self.uses: dict[Scope, list[ast.Name]] = {}


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
        statements: list[Statement] = [*self.tree.all(ast.Import), *self.tree.all(ast.ImportFrom)]
        for node in sorted(statements, key=self.tree.start):
            found.setdefault(next(self.around(node)), []).append(node)
        return found

    def _find(self, name: str) -> Bound:
        nodes = [node for node in self.tree.all(ast.Name) if node.id == name]
        moved = self._moved(name)
        otherwise = {self._home(node) for node in nodes if isinstance(node.ctx, ast.Store)}
        for kind, field in _BINDERS.items():
            binders = (node for node in self.tree.all(kind) if getattr(node, field) == name)
            otherwise |= {next(self.around(node)) for node in binders}
        importing = {scope for scope, items in self.imports.items() if name in _names_of(items)}
        otherwise = {moved.get(scope, scope) for scope in otherwise}
        found = Bound(otherwise | {moved.get(scope, scope) for scope in importing}, otherwise)
        for node in nodes:
            visible = (moved.get(scope, scope) for scope in self._visible(node))
            home = next((scope for scope in visible if scope in found.scopes), None)
            if home is not None and not isinstance(node.ctx, ast.Store):
                found.uses.setdefault(home, []).append(node)
        return found

    def _moved(self, name: str) -> dict[Scope, Scope]:
        """Return the scopes in which ``global`` or ``nonlocal`` says that a name is of another."""
        moved: dict[Scope, Scope] = {}
        statements: list[ast.Global | ast.Nonlocal] = [
            *self.tree.all(ast.Global),
            *self.tree.all(ast.Nonlocal),
        ]
        for node in statements:
            if name in node.names:
                inner, *outer = self.around(node)
                moved[inner] = outer[-1 if isinstance(node, ast.Global) else 0] if outer else inner
        return moved

    def _home(self, node: ast.Name) -> Scope:
        """Return the scope in which a statement or expression binds *node*."""
        is_walrus = isinstance(self.tree.parents[node], ast.NamedExpr)
        scopes = self.around(node)
        return next(
            scope for scope in scopes if not (is_walrus and isinstance(scope, _COMPREHENSIONS))
        )

    def _visible(self, node: ast.AST) -> Iterator[Scope]:
        """Yield the scopes in which *node* is looked up: of classes only its own."""
        for index, scope in enumerate(self.around(node)):
            if not index or not isinstance(scope, ast.ClassDef):
                yield scope

    def around(self, node: ast.AST) -> Iterator[Scope]:
        """Yield the scopes around *node*, from the inside."""
        is_outside = False  # defaults, annotations and the first iterable belong to the next scope
        for parent in self.tree.ancestors(node):
            if isinstance(parent, ast.arg):
                is_outside = True
            elif isinstance(parent, ast.arguments):
                is_outside = is_outside or not isinstance(node, ast.arg)
            elif isinstance(parent, ast.comprehension):
                is_outside = node is parent.iter
            elif _is_inside(node, parent, is_outside):
                yield parent
                is_outside = False
            node = parent


def _is_inside(node: ast.AST, parent: ast.AST, is_outside: bool) -> bool:
    """Whether *parent* is a scope, and its child *node* is in it."""
    if isinstance(parent, _FUNCTIONS):
        is_body = isinstance(node, ast.stmt) or node is parent.body
        return is_body or (node is parent.args and not is_outside)
    if isinstance(parent, ast.ClassDef):
        return isinstance(node, ast.stmt)
    if isinstance(parent, _COMPREHENSIONS):
        return not (is_outside and node is parent.generators[0])
    return isinstance(parent, ast.Module)


def _names_of(statements: Iterable[Statement]) -> set[str]:
    """Return the names that imports bind."""
    return {
        (alias.asname or alias.name).partition(".")[0]
        for statement in statements
        for alias in statement.names
    }
