"""Moves the key ROUTING of CHANNEL_LAYERS to the setting CHANNEL_ROUTING."""

from __future__ import annotations

import libcst as cst

from channels_workers_upgrade.dicts import element_of, without
from channels_workers_upgrade.tree import Rewriter, Tree

SETTING = "CHANNEL_LAYERS"
ROUTING = "CHANNEL_ROUTING"
APPLICATION = "ASGI_APPLICATION"


def assigned(node: cst.CSTNode) -> tuple[str, cst.BaseExpression | None]:
    """Return the name and the value of a plain assignment, "" and None for anything else."""
    if isinstance(node, cst.Assign) and len(node.targets) == 1:
        target: cst.BaseExpression = node.targets[0].target
    elif isinstance(node, cst.AnnAssign):
        target = node.target
    else:
        return "", None
    return (target.value, node.value) if isinstance(target, cst.Name) else ("", None)


def move_routing(tree: Tree, application: str = "") -> cst.Module:
    """Return the module with CHANNEL_ROUTING after each CHANNEL_LAYERS that has one routing.

    ASGI_APPLICATION follows with the value *application*, unless that is "".
    """
    named = {node.value for node in tree.all(cst.Name)}
    layers = [
        tree.parents[node]
        for kind in (cst.Assign, cst.AnnAssign)
        for node in tree.all(kind)
        if assigned(node)[0] == SETTING
    ]
    return tree.rewrite(layers, _Mover(application if APPLICATION not in named else ""))


class _Mover(Rewriter):
    def __init__(self, application: str) -> None:
        super().__init__()
        self.application = application

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if len(updated_node.body) != 1:
            return updated_node
        statement = updated_node.body[0]
        name, layers = assigned(statement)
        if name != SETTING or not isinstance(layers, cst.Dict):
            return updated_node
        routing = _routing_of(layers)
        if routing is None:
            return updated_node
        layers, above, beside = _without_routing(layers)
        line = updated_node.with_changes(body=[statement.with_changes(value=layers)])
        more = self._application()
        if isinstance(routing, cst.Name) and routing.value == ROUTING:
            return cst.FlattenSentinel([line, *more])
        target = cst.AssignTarget(cst.Name(ROUTING))
        end = cst.TrailingWhitespace(cst.SimpleWhitespace("  " if beside else ""), beside)
        moved = cst.SimpleStatementLine([cst.Assign([target], routing)], _dedented(above), end)
        return cst.FlattenSentinel([line, moved, *more])

    def _application(self) -> list[cst.SimpleStatementLine]:
        """Return the line of ASGI_APPLICATION, the first time."""
        if not self.application:
            return []
        line = cst.parse_statement(f'{APPLICATION} = "{self.application}"')
        self.application = ""
        return [cst.ensure_type(line, cst.SimpleStatementLine)]


def _routing_of(layers: cst.Dict) -> cst.BaseExpression | None:
    """Return the routing that all layers share, None if they have none or several."""
    found: list[cst.BaseExpression] = []
    for layer in layers.elements:
        element = element_of(layer.value, "ROUTING")
        if element is None:
            return None
        found.append(element.value)
    is_one = found and all(value.deep_equals(found[0]) for value in found)
    return found[0] if is_one else None


def _without_routing(
    layers: cst.Dict,
) -> tuple[cst.Dict, list[cst.EmptyLine], cst.Comment | None]:
    """Return the layers without their routings, and the comments of the first routing."""
    elements: list[cst.BaseDictElement] = []
    above: list[cst.EmptyLine] = []
    beside: cst.Comment | None = None
    for layer in layers.elements:
        element = element_of(layer.value, "ROUTING")
        if isinstance(layer.value, cst.Dict) and element:
            removed = without(layer.value, element)
            above = above or removed.above
            beside = beside or removed.beside
            elements.append(layer.with_changes(value=removed.rest))
    return layers.with_changes(elements=elements), above, beside


def _dedented(lines: list[cst.EmptyLine]) -> list[cst.EmptyLine]:
    return [line.with_changes(whitespace=cst.SimpleWhitespace("")) for line in lines]
