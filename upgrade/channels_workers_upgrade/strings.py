"""Rewrites strings that name something of Channels 1.1.8: dotted paths, and the app."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from channels_workers_upgrade.lookup import find_beginning, is_old_module, new_module
from channels_workers_upgrade.renames import NEW, OLD
from channels_workers_upgrade.tree import Edit, Tree, last_name

REDIS_LAYER = "channels_workers.layers.redis.RedisChannelLayer"
MEMORY_LAYER = "channels_workers.layers.memory.InMemoryChannelLayer"

#: Strings that are replaced completely: backends, and the logger of 1.1.8.
PATHS = {
    "asgi_redis.RedisChannelLayer": REDIS_LAYER,
    "asgi_redis.core.RedisChannelLayer": REDIS_LAYER,
    "asgi_redis.RedisLocalChannelLayer": REDIS_LAYER,
    "asgi_redis.local.RedisLocalChannelLayer": REDIS_LAYER,
    "asgi_redis.RedisSentinelChannelLayer": REDIS_LAYER,
    "asgi_redis.sentinel.RedisSentinelChannelLayer": REDIS_LAYER,
    "asgi_rabbitmq.RabbitmqChannelLayer": REDIS_LAYER,
    "asgi_rabbitmq.RabbitmqLocalChannelLayer": REDIS_LAYER,
    "asgi_amqp.AMQPChannelLayer": REDIS_LAYER,
    "asgi_amqp.core.AMQPChannelLayer": REDIS_LAYER,
    "asgiref.inmemory.ChannelLayer": MEMORY_LAYER,
    "asgi_ipc.IPCChannelLayer": REDIS_LAYER,
    "asgi_ipc.core.IPCChannelLayer": REDIS_LAYER,
    "django.channels": NEW,
}

DOTTED = re.compile(rf"{OLD}(\.\w+)+")

#: Functions that take the name of a channel, which may look like a module: as the first argument,
#: or as this keyword.
_TAKES_CHANNEL = {
    "Channel": "name",
    "Group": "name",
    "route": "channels",
    "Route": "channels",
    "send": "to",
    "send_and_consume": "channel",
    "consume": "channel",
}
_TAKES_APP = {"is_installed", "get_app_config"}

#: A string in one piece, without escapes.
_PLAIN = re.compile(r"(\w*)(\"\"\"|'''|\"|')(.*)\2", re.DOTALL)

Parents = Mapping[ast.AST, ast.AST]


def text_of(node: ast.AST | None) -> str:
    """Return the value of a string literal, "" for anything else."""
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if isinstance(node, ast.Constant) and is_text else ""


def is_docstring(node: ast.expr, tree: Tree) -> bool:
    """Whether it is a statement of its own."""
    return isinstance(tree.parents[node], ast.Expr)


def rewrite_strings(tree: Tree) -> Iterator[Edit]:
    """Yield the edits that write the new names into strings."""
    channels = channel_names(tree)
    for node in tree.all(ast.Constant):
        text = text_of(node)
        if _may_change(text) and not is_docstring(node, tree):
            new = _new_text(node, tree, channels)
            found = _PLAIN.fullmatch(tree.source(node)) if new else None
            if found and found[3] == text:
                yield Edit(tree.start(node), tree.end(node), f"{found[1]}{found[2]}{new}{found[2]}")


def _may_change(text: str) -> bool:
    return text == OLD or text in PATHS or bool(DOTTED.fullmatch(text))


def channel_names(tree: Tree) -> set[ast.AST]:
    """Return the strings that name channels."""
    return {node for call in tree.all(ast.Call) for node in channels_of(call)}


def _new_text(node: ast.Constant, tree: Tree, channels: set[ast.AST]) -> str:
    text = text_of(node)
    if text == OLD:
        return NEW if names_app(node, tree.parents) else ""
    if text in PATHS:
        return PATHS[text]
    if node in channels:
        return ""
    found = find_beginning(text)
    if found is None:
        return new_module(text) if is_old_module(text) else ""
    if not found.rename.is_same:
        return ""
    return ".".join(filter(None, (found.rename.target, found.rest)))


def called(node: ast.AST, parents: Parents) -> str:
    """Return the last name of the function whose argument *node* is."""
    parent = parents[node]
    call = parents[parent] if isinstance(parent, ast.keyword) else parent
    return called_name(call) if _is_argument(node, parent) else ""


def _is_argument(node: ast.AST, parent: ast.AST) -> bool:
    is_positional = isinstance(parent, ast.Call) and parent.func is not node
    return isinstance(parent, ast.keyword) or is_positional


def called_name(call: ast.AST) -> str:
    """Return the last name of the called function, "" if *call* is no call."""
    return last_name(call.func) if isinstance(call, ast.Call) else ""


def channels_of(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the arguments of *call* that name channels, also in lists."""
    keyword = _TAKES_CHANNEL.get(called_name(call))
    if keyword is None:
        return
    values = [*call.args[:1], *(item.value for item in call.keywords if item.arg == keyword)]
    for value in values:
        yield value
        if isinstance(value, ast.List | ast.Tuple):
            yield from value.elts


def names_app(node: ast.AST, parents: Parents) -> bool:
    """Return whether *node* is an entry of INSTALLED_APPS, and the new one is missing."""
    if called(node, parents) in _TAKES_APP:
        return True
    parent = parents[node]
    is_item = isinstance(parent, ast.List | ast.Tuple | ast.Set)
    if not is_item and not isinstance(parent, ast.Compare) and not _is_argument(node, parent):
        return False
    if is_item and any(text_of(item) == NEW for item in getattr(parent, "elts", ())):
        return False
    return _is_about_apps(node, parents)


def _is_about_apps(node: ast.AST, parents: Parents) -> bool:
    """Whether *node* is part of an assignment, a call or a comparison of a list of apps."""
    while not isinstance(node, ast.stmt):
        outer = parents[node]
        if isinstance(outer, ast.keyword) and outer.arg and _is_apps(outer.arg):
            return True
        if isinstance(outer, ast.Dict):
            return any(
                value is node and _is_apps(text_of(key))
                for key, value in zip(outer.keys, outer.values, strict=True)
            )
        if any(_is_apps(name) for name in _subjects(outer)):
            return True
        node = outer
    return False


def _is_apps(name: str) -> bool:
    return name.upper().endswith("APPS")


def _subjects(node: ast.AST) -> list[str]:
    """Return the names that *node* assigns to, compares with, or calls methods of."""
    parts: list[ast.expr] = []
    match node:
        case ast.Assign():
            parts = node.targets
        case ast.AnnAssign() | ast.AugAssign():
            parts = [node.target]
        case ast.Compare():
            parts = node.comparators
        case ast.Call(func=ast.Attribute(value=owner)):
            parts = [owner]
    return [last_name(part) for part in parts]
