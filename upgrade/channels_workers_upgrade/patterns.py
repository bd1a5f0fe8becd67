"""Finds uses of Channels 1.1.8 that no import shows: methods of layers, keys of messages."""

from __future__ import annotations

import re

import libcst as cst
from libcst.metadata import ParentNodeProvider, PositionProvider

from channels_workers_upgrade.dicts import keys_of, value_of
from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.routing import SETTING, assigned
from channels_workers_upgrade.strings import MEMORY_LAYER, text_of

_TO_SEND = "now a coroutine; in sync code use Channel(name).send(content)"
_GROUP = "now a coroutine; in sync code use Group(name)"

#: Attributes that exist in Channels 1.x alone.
ATTRIBUTES = {
    "receive_many": "layers no longer have it: workers receive by the routing, tests by "
    "`Client.receive` and `get_next_message`",
    "send_group": "use Group(name).send(content)",
    "group_channels": "layers do not list the members of a group; keep your own list: "
    'see the recipe in "Come from Channels 1.x"',
    "check_default": "remove it: every router has the defaults",
    "__doomed__": "nothing marks the last attempt; ConsumeLater logs an error when it fails",
}

#: Methods and attributes of a layer.
OF_LAYERS = {
    "send": _TO_SEND,
    "receive": "now a coroutine; in tests use `Client.receive` and `get_next_message`",
    "new_channel": "now a coroutine without arguments, for one process",
    "group_add": f"{_GROUP}.add(channel)",
    "group_discard": f"{_GROUP}.discard(channel)",
    "flush": "now a coroutine; in sync code use async_to_sync(layer.flush)()",
    "router": "use channels_workers.routing.get_router()",
    "routing": "use the setting CHANNEL_ROUTING",
    "channel_layer": "`channel_layers[alias]` is the layer itself",
    "extensions": "every layer has groups and flush",
}

#: Names of channels, as arguments, keys or items.
CHANNELS = {
    "http.request": "Django answers HTTP in the interface server, not in workers; write a view",
    "http.disconnect": "Django answers HTTP in the interface server",
}

#: Strings that exist in Channels 1.x alone.
TEXTS = {
    "__retries__": "messages do not count their attempts; ConsumeLater does",
    "asgi.delay": "nobody listens there, so messages would pile up: use a delayed task that calls "
    "Channel(name).send(content)",
    "__channels_next_order": "the layer keeps the order, not the session",
}

#: Settings that are no longer read.
SETTINGS = {
    "CHANNELS_WS_PROTOCOLS": 'accept with {"accept": True, "subprotocol": ...} in the consumer',
}

_OF_ALL_LAYERS = {
    "capacity",
    "channel_capacity",
    "message_size",
    "symmetric_encryption_keys",
    "expiry",
    "group_expiry",
}

#: The keys that each layer takes in CONFIG.
CONFIG = {
    "channels_workers.layers.redis.RedisChannelLayer": _OF_ALL_LAYERS | {"hosts", "prefix"},
    MEMORY_LAYER: _OF_ALL_LAYERS,
}

#: Prefixes of channels that `channel_capacity` does not limit, or that no longer exist.
_OF_INTERFACES = ("http.", "websocket.", "daphne.")
_NO_CAPACITY = "remove it: it limits ordinary channels; for sockets set FRAMES_WAITING and others"

_LAYER = re.compile(r"(^|_)layer$")


class Patterns(cst.CSTVisitor):
    """Collects findings for changes by hand, and notes."""

    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider)

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Finding] = []

    def report(self, node: cst.CSTNode, what: str, cure: str, is_note: bool = False) -> None:
        """Add a finding at the line of *node*."""
        line = self.get_metadata(PositionProvider, node).start.line
        self.findings.append(Finding(line, what, cure, is_note))

    def visit_Attribute(self, node: cst.Attribute) -> None:
        """Check for attributes and methods of 1.x layers."""
        name = node.attr.value
        if name in ATTRIBUTES:
            self.report(node, f"`.{name}`", ATTRIBUTES[name])
        elif name in OF_LAYERS and _is_layer(node.value) and not self._is_awaited(node):
            self.report(node, f"`.{name}` of a layer", OF_LAYERS[name])

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Check for keys and channels that no longer exist."""
        text = text_of(node)
        if text in TEXTS:
            self.report(node, f'"{text}"', TEXTS[text])
        if self._is_in_capacities(node):
            if text.startswith(_OF_INTERFACES):
                self.report(node, f'"{text}" in channel_capacity', _NO_CAPACITY)
        elif text in CHANNELS and self._is_listed(node):
            self.report(node, f'"{text}"', CHANNELS[text])

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        """Check for the project's own routing entries, which now match differently."""
        names = {item.name.value for item in node.body.body if isinstance(item, cst.FunctionDef)}
        bases = {_last_name(argument.value) for argument in node.bases}
        is_entry = "channel_names" in names or bases & {"Route", "RouteClass", "Include"}
        if "match" in names and is_entry and "match_values" not in names:
            cure = "define match_values(channel, values): values.get(key) reads the message"
            self.report(node, f"`{node.name.value}.match`", cure)

    def visit_Assign(self, node: cst.Assign) -> None:
        """Check for settings."""
        name, _ = assigned(node)
        if name in SETTINGS:
            self.report(node, f"`{name}`", SETTINGS[name])
        target = node.targets[0].target
        if isinstance(target, cst.Subscript) and _key_of(target) == "ROUTING":
            self.report(node, f"ROUTING in {SETTING}", _ROUTING)

    def visit_Dict(self, node: cst.Dict) -> None:
        """Check for layers that could not be rewritten completely."""
        backend = text_of(value_of(node, "BACKEND"))
        if value_of(node, "BACKEND") and "ROUTING" in keys_of(node):
            self.report(node, f"ROUTING in {SETTING}", _ROUTING)
        if backend == MEMORY_LAYER:
            cure = "only for `runserver` and tests: `runworker` needs the Redis layer"
            self.report(node, "a layer of one process", cure, is_note=True)
        config = value_of(node, "CONFIG")
        for key in keys_of(config) if config and backend in CONFIG else ():
            if key not in CONFIG[backend]:
                known = ", ".join(sorted(CONFIG[backend]))
                self.report(
                    node, f'"{key}" in CONFIG', f"unknown to this layer, which takes {known}"
                )

    def visit_Call(self, node: cst.Call) -> None:
        """Check for layers written as calls of ``dict``."""
        keywords = {argument.keyword.value for argument in node.args if argument.keyword}
        if {"BACKEND", "ROUTING"} <= keywords:
            self.report(node, f"ROUTING in {SETTING}", _ROUTING)

    def _is_listed(self, node: cst.SimpleString) -> bool:
        """Whether it is an argument, a key or an item, not compared as types of ASGI are."""
        parent = self._parent(node)
        is_key = isinstance(parent, cst.DictElement) and parent.key is node
        return is_key or isinstance(parent, cst.Arg | cst.Element)

    def _is_in_capacities(self, node: cst.SimpleString) -> bool:
        """Whether it is a key of CONFIG's `channel_capacity`."""
        element = self._parent(node)
        if not isinstance(element, cst.DictElement) or element.key is not node:
            return False
        outer = self._parent(self._parent(element))
        key = getattr(outer, "key", None) or getattr(outer, "keyword", None)
        return "channel_capacity" in {text_of(key), getattr(key, "value", "")}

    def _is_awaited(self, node: cst.Attribute) -> bool:
        """Whether it is used as a coroutine, as Channels 4 does."""
        call = self._parent(node)
        if isinstance(call, cst.Arg):
            return True  # async_to_sync(layer.send)
        return isinstance(call, cst.Call) and isinstance(self._parent(call), cst.Await)

    def _parent(self, node: cst.CSTNode) -> cst.CSTNode:
        parent: cst.CSTNode = self.get_metadata(ParentNodeProvider, node)
        return parent


_ROUTING = 'now one setting for all layers: CHANNEL_ROUTING = "project.routing.channel_routing"'


def _is_layer(node: cst.BaseExpression) -> bool:
    """Whether an expression's name says that it is a layer."""
    if isinstance(node, cst.Call):
        return _last_name(node.func) == "get_channel_layer"
    if isinstance(node, cst.Subscript):
        return _last_name(node.value) == "channel_layers"
    return bool(_LAYER.search(_last_name(node)))


def _last_name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def _key_of(node: cst.Subscript) -> str:
    index = node.slice[0].slice
    return text_of(index.value) if isinstance(index, cst.Index) else ""
