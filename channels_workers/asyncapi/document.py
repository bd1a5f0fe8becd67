"""The AsyncAPI 3 document of a routing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings

from channels_workers.asyncapi import engine
from channels_workers.asyncapi.addresses import choices
from channels_workers.asyncapi.messages import Messages, as_name
from channels_workers.asyncapi.sockets import Socket
from channels_workers.bearer import wire
from channels_workers.declarations import Exchange

#: The version of the specification.
VERSION = "3.0.0"

Json = dict[str, Any]


class Document:
    """Describes *sockets*. *info* has the title and version; *servers* are URLs by name."""

    def __init__(
        self, sockets: Iterable[Socket], info: Mapping[str, Any], servers: Mapping[str, Any]
    ) -> None:
        self.sockets = dict(named(sockets))
        self.exchanges = {
            name: merged([*socket.declaration.exchanges, *engine.exchanges_of(socket)])
            for name, socket in self.sockets.items()
        }
        self.messages = Messages(each for found in self.exchanges.values() for each in found)
        self._info, self._servers = info, servers

    def as_json(self) -> Json:
        """Return the document."""
        operations: Json = {}
        self._keys: set[str] = set()
        channels = {name: self._channel(name, operations) for name in self.sockets}
        document: Json = {"asyncapi": VERSION, "info": dict(self._info)}
        if self._servers:
            document["servers"] = dict(self._servers)
        document["defaultContentType"] = "application/json"
        document["channels"] = channels
        document["operations"] = operations
        components: Json = {
            "messages": dict(sorted(self.messages.all.items())),
            "schemas": self.messages.schemas,
        }
        if schemes := self._security_schemes():
            components["securitySchemes"] = schemes
        return {**document, "components": components}

    def _channel(self, name: str, operations: Json) -> Json:
        socket = self.sockets[name]
        names: dict[str, None] = {}
        for each in self.exchanges[name]:
            key, operation, found = self._operation(name, socket, each)
            names.update(dict.fromkeys(found))
            operations[key] = operation
        channel: Json = {"address": socket.path or None}
        if text := _description(socket):
            channel["description"] = text
        channel["messages"] = {key: {"$ref": f"#/components/messages/{key}"} for key in names}
        if parameters := _parameters(socket):
            channel["parameters"] = parameters
        return {**channel, "bindings": {"ws": _binding(socket)}}

    def _operation(
        self, channel: str, socket: Socket, exchange: Exchange
    ) -> tuple[str, Json, list[str]]:
        names, replies = self.messages.names(exchange), self.messages.replies(exchange)
        here = {"$ref": f"#/channels/{channel}"}
        operation: Json = {"action": exchange.action, "channel": here}
        if text := _purpose(exchange):
            operation["description"] = text
        if security := _security(socket):
            operation["security"] = [
                {"$ref": f"#/components/securitySchemes/{name}"} for name in security
            ]
        operation["messages"] = _references(channel, names)
        if replies:
            operation["reply"] = {"channel": here, "messages": _references(channel, replies)}
        parts = [channel, exchange.action, exchange.stream, exchange.frame, exchange.group]
        key = unused(".".join(as_name(part) for part in parts if part), self._keys)
        return key, operation, [*names, *replies]

    def _security_schemes(self) -> Json:
        found = [name for socket in self.sockets.values() for name in _security(socket)]
        return {name: SCHEMES[name]() for name in sorted(set(found))}


def named(sockets: Iterable[Socket]) -> Iterator[tuple[str, Socket]]:
    """Yield *sockets* with names, made of their paths."""
    seen: set[str] = set()
    for socket in sockets:
        name = as_name(socket.path) if socket.path.strip("/") else "root" if socket.path else "any"
        yield unused(name, seen), socket


def unused(name: str, seen: set[str]) -> str:
    """Return *name*, or with a number if it has been *seen*; note it."""
    free, number = name, 2
    while free in seen:
        free, number = f"{name}_{number}", number + 1
    seen.add(free)
    return free


def merged(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Return *exchanges*, with one for all types that differ in nothing else."""
    found: dict[Any, Exchange] = {}
    for each in exchanges:
        key = replace(each, kinds=())
        known = found[key].kinds if key in found else ()
        more = tuple(kind for kind in each.kinds if kind not in known)
        found[key] = replace(each, kinds=(*known, *more))
    return list(found.values())


def _references(channel: str, names: Iterable[str]) -> list[Json]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]


def _description(socket: Socket) -> str:
    texts = []
    if socket.waits_for_token:
        texts.append("The first frame is the token, unless the handshake has one.")
    if socket.address.path and not socket.declaration.address and not socket.address.is_whole:
        texts.append("The path may go on after this.")
    return " ".join(texts)


def _purpose(exchange: Exchange) -> str:
    texts = [exchange.description]
    if exchange.group:
        texts.append(f"For the members of the group `{exchange.group}`.")
    return " ".join(filter(None, texts))


def _parameters(socket: Socket) -> Json:
    names = re.findall(r"{([^}]*)}", socket.path)
    patterns, texts = socket.address.parameters, socket.declaration.parameters
    return {name: _parameter(texts.get(name, ""), patterns.get(name, "")) for name in names}


def _parameter(text: str, pattern: str) -> Json:
    parameter: Json = {"description": text} if text else {}
    if words := choices(pattern):
        parameter["enum"] = words
    elif pattern:
        parameter["x-pattern"] = pattern
    return parameter


def _binding(socket: Socket) -> Json:
    binding: Json = {"method": "GET"}
    if subprotocols := engine.subprotocols_of(socket):
        offered = {
            "type": "string",
            "description": f"Clients may offer {', '.join(f'`{each}`' for each in subprotocols)}.",
        }
        binding["headers"] = {
            "type": "object",
            "properties": {"Sec-WebSocket-Protocol": offered},
        }
    return {**binding, "bindingVersion": "0.1.0"}


def _security(socket: Socket) -> list[str]:
    return [
        name for name, used in (("cookie", socket.has_cookie), ("token", socket.has_token)) if used
    ]


def _cookie() -> Json:
    return {
        "type": "httpApiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "The session of the browser. Without it the client is anonymous.",
    }


def _token() -> Json:
    return {
        "type": "http",
        "scheme": "bearer",
        "description": "In the header Authorization, or as the subprotocol "
        f"`{wire.PREFIX}<base64url of the token>`. Without it the client is anonymous.",
    }


SCHEMES: dict[str, Callable[[], Json]] = {"cookie": _cookie, "token": _token}
