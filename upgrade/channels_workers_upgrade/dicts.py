"""Reads dict literals."""

from __future__ import annotations

import ast

from channels_workers_upgrade.strings import text_of


def value_of(node: ast.AST | None, key: str) -> ast.expr | None:
    """Return the value of *key* in a dict literal, None without it."""
    if not isinstance(node, ast.Dict):
        return None
    pairs = zip(node.keys, node.values, strict=True)
    return next((value for name, value in pairs if name and text_of(name) == key), None)


def keys_of(node: ast.AST | None) -> list[str]:
    """Return the keys of a dict literal; "" for a key that is no string literal."""
    return [text_of(key) for key in node.keys if key] if isinstance(node, ast.Dict) else []
