"""Rewrites ``asgi.py``, the entry of interface servers."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, Scope, ScopeProvider

from channels_workers.upgrade.bindings import source_module
from channels_workers.upgrade.routing import assigned
from channels_workers.upgrade.statements import divide, lines

FILE = "asgi.py"

_HOME = "channels.asgi"
_OLD = "get_channel_layer"
_APPLICATION = "application"


def rewrite_entry(module: cst.Module) -> cst.Module:
    """Return *module* with an application in place of the layer that servers took in 1.x.

    Nothing is changed if the layer is used for anything else.
    """
    wrapper = MetadataWrapper(module)
    scope = wrapper.resolve(ScopeProvider)[wrapper.module]
    if scope is None or _APPLICATION in scope or not _is_imported(scope):
        return module
    parents = wrapper.resolve(ParentNodeProvider)
    calls = {parents.get(access.node) for item in scope[_OLD] for access in item.references}
    made = {line: call for line in wrapper.module.body if (call := _layer_of(line)) in calls}
    if len(made) != 1 or len(calls) != 1:
        return module
    return wrapper.module.visit(_Rewriter(*made))


def _is_imported(scope: Scope) -> bool:
    """Whether the function comes from ``from channels.asgi import ...``, and only from there."""
    nodes = [getattr(item, "node", None) for item in scope[_OLD]]
    return bool(nodes) and all(
        isinstance(node, cst.ImportFrom) and source_module(node) == _HOME for node in nodes
    )


def _layer_of(line: cst.CSTNode) -> cst.Call | None:
    """Return the call in ``name = get_channel_layer()``."""
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    _, value = assigned(line.body[0])
    return value if isinstance(value, cst.Call) else None


class _Rewriter(cst.CSTTransformer):
    def __init__(self, made: cst.CSTNode) -> None:
        super().__init__()
        self.made = made

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if original_node is self.made:
            return cst.FlattenSentinel(_make_application(updated_node))
        statement = updated_node.body[0]
        if not isinstance(statement, cst.ImportFrom) or source_module(statement) != _HOME:
            return updated_node
        return cst.FlattenSentinel(lines(updated_node, _imports(statement)))


def _make_application(line: cst.SimpleStatementLine) -> list[cst.SimpleStatementLine]:
    name, call = assigned(line.body[0])
    arguments = call.args if isinstance(call, cst.Call) else ()
    alias = cst.Module([]).code_for_node(arguments[0].value) if arguments else ""
    given = f"alias={alias}" if alias else ""
    texts = [f"{_APPLICATION} = get_application({given})", f"{name} = {_APPLICATION}"]
    made = [cst.ensure_type(cst.parse_statement(text), cst.SimpleStatementLine) for text in texts]
    return lines(line, [line.body[0] for line in made])


def _imports(node: cst.ImportFrom) -> list[cst.ImportFrom]:
    if isinstance(node.names, cst.ImportStar):
        return [node]
    groups: dict[str, list[tuple[cst.ImportAlias, cst.ImportAlias]]] = {}
    for alias in node.names:
        is_old = alias.evaluated_name == _OLD
        new = alias.with_changes(name=cst.Name("get_application")) if is_old else alias
        groups.setdefault("channels_workers.asgi" if is_old else _HOME, []).append((alias, new))
    return divide(node, groups)
