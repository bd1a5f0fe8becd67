"""Moves the key ROUTING of CHANNEL_LAYERS to the setting CHANNEL_ROUTING."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from channels_workers_upgrade.application import APPLICATION
from channels_workers_upgrade.dicts import value_of
from channels_workers_upgrade.lists import Removed, Written
from channels_workers_upgrade.strings import text_of
from channels_workers_upgrade.tree import Edit, Tree

SETTING = "CHANNEL_LAYERS"
ROUTING = "CHANNEL_ROUTING"

Assignment = ast.Assign | ast.AnnAssign


def assigned(node: ast.AST) -> tuple[str, ast.expr | None]:
    """Return the name and the value of a plain assignment, "" and None for anything else."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    else:
        return "", None
    return (target.id, node.value) if isinstance(target, ast.Name) else ("", None)


def assignments(tree: Tree) -> list[Assignment]:
    """Return the assignments in *tree*, in the order of the file."""
    found: list[Assignment] = [*tree.all(ast.Assign), *tree.all(ast.AnnAssign)]
    return sorted(found, key=tree.start)


def move_routing(tree: Tree, application: str = "") -> Iterator[Edit]:
    """Yield the edits that write CHANNEL_ROUTING behind each CHANNEL_LAYERS with one routing.

    ASGI_APPLICATION follows with the value *application*, unless that is "".
    """
    if any(node.id == APPLICATION for node in tree.all(ast.Name)):
        application = ""
    for node in assignments(tree):
        name, layers = assigned(node)
        if name != SETTING or not isinstance(layers, ast.Dict) or not tree.is_alone(node):
            continue
        if routing := _routing_of(layers):
            yield from _moved(tree, node, layers, routing, application)
            application = ""


def _routing_of(layers: ast.Dict) -> ast.expr | None:
    """Return the routing of all layers, None if they have none or several."""
    values = (value_of(layer, "ROUTING") for layer in layers.values)
    found = [value for value in values if value]
    is_one = found and all(ast.dump(value) == ast.dump(found[0]) for value in found)
    return found[0] if is_one else None


def _moved(
    tree: Tree, node: Assignment, layers: ast.Dict, routing: ast.expr, application: str
) -> Iterator[Edit]:
    """Yield the edits of one assignment, and of the lines behind it."""
    removed: list[Removed] = []
    for layer in layers.values:
        keys = [text_of(key) for key in layer.keys] if isinstance(layer, ast.Dict) else []
        if isinstance(layer, ast.Dict) and "ROUTING" in keys:
            edited = Written(tree, layer)
            removed.append(edited.take(keys.index("ROUTING")))
            yield edited.edit
    lines: list[str] = []
    if not isinstance(routing, ast.Name) or routing.id != ROUTING:
        above = next((part.above for part in removed if part.above), [])
        beside = next((part.beside for part in removed if part.beside), "")
        value = removed[0].text.partition(":")[2].strip()
        lines = [*above, f"{ROUTING} = {value}{'  ' if beside else ''}{beside}"]
    if application:
        lines.append(f'{APPLICATION} = "{application}"')
    end = tree.end(node) + len(tree.remark(node).encode())
    start = f"{tree.newline}{tree.indent(node)}"
    yield Edit(end, end, "".join(f"{start}{line}" for line in lines))
