"""Finds uses of Channels 1.1.8 that no import shows: methods of layers, keys of messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from channels_workers_upgrade.bindings import source_module
from channels_workers_upgrade.dicts import keys_of, value_of
from channels_workers_upgrade.findings import Remark
from channels_workers_upgrade.lookup import AGAIN, is_known
from channels_workers_upgrade.routing import SETTING, assigned
from channels_workers_upgrade.strings import MEMORY_LAYER, REDIS_LAYER, text_of
from channels_workers_upgrade.tree import Tree, last_name

_TO_SEND = "now a coroutine; in sync code use Channel(name).send(content)"
_GROUP = "now a coroutine; in sync code use Group(name)"

#: Attributes that exist in Channels 1.x alone.
ATTRIBUTES = {
    "receive_many": "layers no longer have it: workers receive by the routing, tests by "
    "`Client.receive` and `get_next_message`",
    "send_group": "use Group(name).send(content)",
    "group_channels": "it lists only the sockets of its own process; keep your own list: "
    'see the recipe in "Come from Channels 1.x"',
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

#: Channels of HTTP, as arguments, keys or items.
CHANNELS = {"http.request", "http.disconnect"}
_BY_WORKERS = (
    'works if workers answer HTTP: set CHANNEL_WORKERS = {"HTTP": "workers"}; '
    "by default Django answers it in the interface server"
)

#: Strings that exist in Channels 1.x alone.
TEXTS = {
    "rundelay": "remove it: each worker sends delayed messages",
    "__retries__": "messages do not count their attempts; ConsumeLater does",
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

#: Keys of layers of 2017, each with the alternative.
_KEYS = {"url": 'the address of another broker: remove it, and write "hosts": ["redis://..."]'}

#: Backends that no other pattern rewrites.
_OLD_BACKEND = re.compile(r"(asgi_(redis|ipc|rabbitmq|amqp)|asgiref)\.")

#: Prefixes of channels that `channel_capacity` does not limit, or that no longer exist.
_OF_INTERFACES = ("http.", "websocket.", "daphne.")
_NO_CAPACITY = "remove it: it limits ordinary channels; for sockets set FRAMES_WAITING and others"

_LAYER = re.compile(r"(^|_)layer$")


def find_patterns(tree: Tree) -> Iterator[Remark]:
    """Yield findings for changes by hand, and notes."""
    for node in tree.nodes:
        match node:
            case ast.Attribute():
                yield from _in_attribute(node, tree)
            case ast.Constant():
                yield from _in_string(node, tree)
            case ast.ClassDef():
                yield from _in_class(node)
            case ast.Assign():
                yield from _in_assignment(node)
            case ast.Dict():
                yield from _in_dict(node)
            case ast.Call():
                yield from _in_call(node)


def find_again(tree: Tree) -> Iterator[Remark]:
    """Yield notes about imports of names that are back and need something, such as a setting."""
    for node in tree.all(ast.ImportFrom):
        notes: dict[str, list[str]] = {}
        for name, remark in _again(node):
            notes.setdefault(remark, []).append(f"`{name}`")
        for remark, names in notes.items():
            yield Remark(node, ", ".join(names), f"again: {remark}", is_note=True)


def _again(node: ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield the names that an import takes and that are back, with what they need."""
    module = source_module(node)
    wanted = {alias.name for alias in node.names}
    for name, remark in AGAIN.get(module, {}).items():
        if remark and wanted & {name, "*"}:
            yield name, remark
    for inner in wanted:
        for name, remark in AGAIN.get(f"{module}.{inner}", {}).items():
            if remark:
                yield f"{inner}.{name}", remark


def _in_attribute(node: ast.Attribute, tree: Tree) -> Iterator[Remark]:
    """Check for attributes and methods of 1.x layers."""
    name = node.attr
    if name in ATTRIBUTES:
        yield Remark(node, f"`.{name}`", ATTRIBUTES[name])
    elif name in OF_LAYERS and _is_layer(node.value) and not _is_awaited(node, tree):
        yield Remark(node, f"`.{name}` of a layer", OF_LAYERS[name])


def _in_string(node: ast.Constant, tree: Tree) -> Iterator[Remark]:
    """Check for keys and channels that no longer exist."""
    text = text_of(node)
    if text in TEXTS:
        yield Remark(node, f'"{text}"', TEXTS[text])
    if _is_in_capacities(node, tree):
        if text.startswith(_OF_INTERFACES):
            yield Remark(node, f'"{text}" in channel_capacity', _NO_CAPACITY)
    elif text in CHANNELS and _is_listed(node, tree):
        yield Remark(node, f'"{text}"', _BY_WORKERS, is_note=True)


def _in_class(node: ast.ClassDef) -> Iterator[Remark]:
    """Check for the project's own routing entries, which now match differently."""
    names = {getattr(item, "name", "") for item in node.body}
    bases = set(map(last_name, node.bases))
    is_entry = "channel_names" in names or bases & {"Route", "RouteClass", "Include"}
    if "match" in names and is_entry and "match_values" not in names:
        cure = "define match_values(channel, values): values.get(key) reads the message"
        yield Remark(node, f"`{node.name}.match`", cure)


def _in_assignment(node: ast.Assign) -> Iterator[Remark]:
    """Check for settings."""
    name, _ = assigned(node)
    if name in SETTINGS:
        yield Remark(node, f"`{name}`", SETTINGS[name])
    target = node.targets[0]
    if isinstance(target, ast.Subscript) and _key_of(target) == "ROUTING":
        yield Remark(node, f"ROUTING in {SETTING}", _ROUTING)


def _in_dict(node: ast.Dict) -> Iterator[Remark]:
    """Check for layers that could not be rewritten completely."""
    backend = text_of(value_of(node, "BACKEND"))
    if value_of(node, "BACKEND") and "ROUTING" in keys_of(node):
        yield Remark(node, f"ROUTING in {SETTING}", _ROUTING)
    if _OLD_BACKEND.match(backend) or not is_known(backend):
        yield Remark(node, f'"{backend}"', f'not a layer here: write "{REDIS_LAYER}"')
    if backend == MEMORY_LAYER:
        cure = "only for `runserver` and tests: `runworker` needs the Redis layer"
        yield Remark(node, "a layer of one process", cure, is_note=True)
    config = value_of(node, "CONFIG")
    if isinstance(config, ast.Dict) and backend in CONFIG:
        known = ", ".join(sorted(CONFIG[backend]))
        for key in filter(None, config.keys):
            name = text_of(key)
            if name not in CONFIG[backend]:
                cure = _KEYS.get(name, f"unknown to this layer, which takes {known}")
                yield Remark(key, f'"{name}" in CONFIG', cure)


def _in_call(node: ast.Call) -> Iterator[Remark]:
    """Check for layers written as calls of ``dict``."""
    keywords = {item.arg for item in node.keywords}
    if {"BACKEND", "ROUTING"} <= keywords:
        yield Remark(node, f"ROUTING in {SETTING}", _ROUTING)


def _is_listed(node: ast.Constant, tree: Tree) -> bool:
    """Whether it is an argument, a key or an item, not compared as types of ASGI are."""
    parent = tree.parents[node]
    if isinstance(parent, ast.Dict):
        return node in parent.keys
    return isinstance(parent, ast.Call | ast.keyword | ast.List | ast.Tuple | ast.Set)


def _is_in_capacities(node: ast.Constant, tree: Tree) -> bool:
    """Whether it is a key of CONFIG's `channel_capacity`."""
    inner = tree.parents[node]
    if not isinstance(inner, ast.Dict) or node not in inner.keys:
        return False
    outer = tree.parents[inner]
    if isinstance(outer, ast.Dict):
        return value_of(outer, "channel_capacity") is inner
    return isinstance(outer, ast.keyword) and outer.arg == "channel_capacity"


def _is_awaited(node: ast.Attribute, tree: Tree) -> bool:
    """Whether it is used as a coroutine, as Channels 4 does."""
    call = tree.parents[node]
    if not isinstance(call, ast.Call):
        return isinstance(call, ast.keyword)
    is_argument = call.func is not node  # async_to_sync(layer.send)
    return is_argument or isinstance(tree.parents[call], ast.Await)


_ROUTING = 'now one setting for all layers: CHANNEL_ROUTING = "project.routing.channel_routing"'


def _is_layer(node: ast.expr) -> bool:
    """Whether an expression's name says that it is a layer."""
    if isinstance(node, ast.Call):
        return last_name(node.func) == "get_channel_layer"
    if isinstance(node, ast.Subscript):
        return last_name(node.value) == "channel_layers"
    return bool(_LAYER.search(last_name(node)))


def _key_of(node: ast.Subscript) -> str:
    return text_of(node.slice)
