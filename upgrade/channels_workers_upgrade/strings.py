"""Rewrites strings that name something of Channels 1.1.8: dotted paths, and the app."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping

import libcst as cst

from channels_workers_upgrade.lookup import find_beginning, is_old_module, new_module
from channels_workers_upgrade.renames import NEW, OLD
from channels_workers_upgrade.tree import Rewriter, Tree, children

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

Parents = Mapping[cst.CSTNode, cst.CSTNode]


def text_of(node: cst.CSTNode | None) -> str:
    """Return the value of a string literal, "" for anything else."""
    if not isinstance(node, cst.SimpleString) or "b" in node.prefix.lower():
        return ""
    return _value(node) if "\\" in node.raw_value else node.raw_value


def _value(node: cst.SimpleString | cst.ConcatenatedString) -> str:
    """Return the value of a string, "" if it is none, without a warning for a wrong escape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = node.evaluated_value
    return value if isinstance(value, str) else ""


def value_of_parts(node: cst.ConcatenatedString) -> str | None:
    """Return the value of adjacent strings, None if they have fields; "" for bytes."""
    has_fields = any(isinstance(part, cst.FormattedString) for part in (node.left, node.right))
    return None if has_fields else _value(node)


def is_docstring(node: cst.BaseString, tree: Tree) -> bool:
    """Whether it is a statement of its own."""
    return isinstance(tree.parents[node], cst.Expr)


def rewrite_strings(tree: Tree) -> cst.Module:
    """Return the module with the new names in its strings."""
    channels = channel_names(tree)
    new = {
        node: text
        for node in tree.all(cst.SimpleString)
        if (text := _new_text(node, tree, channels)) and not _is_part(node, tree)
    }
    return tree.rewrite(new, _Rewriter(new))


def channel_names(tree: Tree) -> set[cst.CSTNode]:
    """Return the strings that name channels."""
    return {node for call in tree.all(cst.Call) for node in channels_of(call)}


def _is_part(node: cst.SimpleString, tree: Tree) -> bool:
    """Whether it is a docstring, or one of several adjacent strings."""
    outer = tree.ancestors(node)
    return is_docstring(node, tree) or any(
        isinstance(parent, cst.ConcatenatedString) for parent in outer
    )


class _Rewriter(Rewriter):
    def __init__(self, new: dict[cst.SimpleString, str]) -> None:
        super().__init__()
        self.new = new

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        new = self.new.get(original_node)
        if not new or original_node.raw_value != text_of(original_node):
            return updated_node
        quote = original_node.quote
        return updated_node.with_changes(value=f"{original_node.prefix}{quote}{new}{quote}")


def _new_text(node: cst.SimpleString, tree: Tree, channels: set[cst.CSTNode]) -> str:
    text = text_of(node)
    if text == OLD:
        return NEW if names_app(node, tree.parents) else ""
    if text in PATHS:
        return PATHS[text]
    if not DOTTED.fullmatch(text) or node in channels:
        return ""
    found = find_beginning(text)
    if found is None:
        return new_module(text) if is_old_module(text) else ""
    if not found.rename.is_same:
        return ""
    return ".".join(filter(None, (found.rename.target, found.rest)))


def called(node: cst.CSTNode, parents: Parents) -> str:
    """Return the last name of the function whose argument *node* is."""
    argument = parents[node]
    return called_name(parents[argument]) if isinstance(argument, cst.Arg) else ""


def called_name(call: cst.CSTNode) -> str:
    """Return the last name of the called function, "" if *call* is no call."""
    if not isinstance(call, cst.Call):
        return ""
    function = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
    return function.value if isinstance(function, cst.Name) else ""


def channels_of(call: cst.Call) -> Iterator[cst.BaseExpression]:
    """Yield the arguments of *call* that name channels, also in lists."""
    keyword = _TAKES_CHANNEL.get(called_name(call))
    if keyword is None:
        return
    for index, argument in enumerate(call.args):
        is_first = not index and not argument.keyword and not argument.star
        if is_first or (argument.keyword and argument.keyword.value == keyword):
            value = argument.value
            yield value
            if isinstance(value, cst.List | cst.Tuple):
                yield from (element.value for element in value.elements)


def names_app(node: cst.CSTNode, parents: Parents) -> bool:
    """Return whether *node* is an entry of INSTALLED_APPS, and the new one is missing."""
    if called(node, parents) in _TAKES_APP:
        return True
    parent = parents[node]
    if not isinstance(parent, cst.Element | cst.Arg | cst.Comparison | cst.ComparisonTarget):
        return False
    if isinstance(parent, cst.Element) and _has_new_app(parents[parent]):
        return False
    return _is_about_apps(node, parents)


def _has_new_app(items: cst.CSTNode) -> bool:
    elements = (child for child in children(items) if isinstance(child, cst.Element))
    return any(text_of(element.value) == NEW for element in elements)


def _is_about_apps(node: cst.CSTNode, parents: Parents) -> bool:
    """Whether *node* is part of an assignment, a call or a comparison of a list of apps."""
    while not isinstance(node, cst.BaseStatement):
        if isinstance(node, cst.Arg) and node.keyword and _is_apps(node.keyword.value):
            return True
        if isinstance(node, cst.DictElement):
            return _is_apps(text_of(node.key))
        if any(_is_apps(name) for name in _subjects(node)):
            return True
        node = parents[node]
    return False


def _is_apps(name: str) -> bool:
    return name.upper().endswith("APPS")


def _subjects(node: cst.CSTNode) -> list[str]:
    """Return the names that *node* assigns to, compares with, or calls methods of."""
    parts: list[cst.CSTNode] = []
    match node:
        case cst.Assign():
            parts = [target.target for target in node.targets]
        case cst.AnnAssign() | cst.AugAssign():
            parts = [node.target]
        case cst.Comparison():
            parts = [target.comparator for target in node.comparisons]
        case cst.Call(func=cst.Attribute(value=owner)):
            parts = [owner]
    names = [part.attr if isinstance(part, cst.Attribute) else part for part in parts]
    return [name.value for name in names if isinstance(name, cst.Name)]
