"""The sockets of a routing, and what their consumers declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from channels_workers.asyncapi import envelopes
from channels_workers.asyncapi.addresses import Address, address_of
from channels_workers.bearer.configuration import token_settings
from channels_workers.checks.consumers import innermost
from channels_workers.checks.routes import RouteTo, all_routes
from channels_workers.declarations import Declaration, declaration_of
from channels_workers.decorators import decorators_of
from channels_workers.generic.base import BaseConsumer
from channels_workers.layers.types import CONNECT, DISCONNECT, RECEIVE
from channels_workers.logs import name_of

#: Decorators that take the user of the browser's session, and the attributes of classes.
COOKIE = frozenset(
    {"http_session", "http_session_user", "channel_and_http_session"}
    | {"channel_session_user_from_http", "http_user", "http_user_and_session"}
)

#: The decorator, and the attribute, that takes the user of a token.
TOKEN = "token_user"  # noqa: S105  (a name)

#: The modules whose consumers are parts of the engine, such as those of the admin's pages.
OWN = "channels_workers."


@dataclass
class Socket:
    """The sockets of one path."""

    address: Address
    declaration: Declaration = field(default_factory=Declaration)
    #: What consumers use to learn who the client is: names of decorators and attributes.
    means: set[str] = field(default_factory=set)
    #: The consumers, and methods of them, that are described.
    parts: list[Any] = field(default_factory=list)
    #: The dotted names of consumers.
    consumers: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The path with its parameters in braces, "" if it is not known."""
        return self.declaration.address or self.address.path

    @property
    def has_cookie(self) -> bool:
        """Whether the session cookie says who the client is."""
        return not self.means.isdisjoint(COOKIE)

    @property
    def has_token(self) -> bool:
        """Whether a token says who the client is."""
        return TOKEN in self.means

    @property
    def waits_for_token(self) -> bool:
        """Whether the first frame is the token."""
        path, prefixes = f"{self.path.rstrip('/')}/", token_settings().FIRST_FRAME
        return any(path.startswith(f"{each.rstrip('/')}/") for each in prefixes)

    @property
    def is_own(self) -> bool:
        """Whether the consumers are parts of the engine."""
        return all(name.startswith(OWN) for name in self.consumers)


def sockets_of(routing: Iterable[Any]) -> list[Socket]:
    """Return the sockets of *routing* in its order, one for each path."""
    found: dict[tuple[str, ...], Socket] = {}
    for to in all_routes(routing):
        if to.channel in (CONNECT, RECEIVE, DISCONNECT):
            patterns = tuple(each.pattern for each in to.filters.get("path", ()))
            if patterns not in found:
                found[patterns] = Socket(address_of(patterns) if patterns else Address(""))
            _add(found[patterns], to)
    return list(_merged(found.values()))


def _add(socket: Socket, to: RouteTo) -> None:
    for each in _parts(to.route.consumer, to.channel):
        if any(each is known for known in socket.parts):
            continue
        socket.parts.append(each)
        socket.declaration += declaration_of(each) + envelopes.declaration_in(each)
        socket.means.update(decorators_of(each))
    consumer = innermost(to.route.consumer)
    if isinstance(consumer, type):
        flags = COOKIE | {TOKEN}
        socket.means.update(name for name in flags if getattr(consumer, name, False) is True)
    if (name := name_of(to.route.consumer)) not in socket.consumers:
        socket.consumers.append(name)


def _parts(consumer: Any, channel: str) -> Iterator[Any]:
    """Yield *consumer*, and the methods of a class that handle *channel*."""
    yield consumer
    inner = innermost(consumer)
    if isinstance(inner, type) and issubclass(inner, BaseConsumer):
        method = inner.method_mapping.get(channel, "")
        names = dict.fromkeys((method, method.removeprefix("raw_")))
        yield from (getattr(inner, name) for name in names if hasattr(inner, name))


def _merged(sockets: Iterable[Socket]) -> Iterator[Socket]:
    """Yield *sockets*; those of one path are one."""
    by_path: dict[str, Socket] = {}
    for socket in sockets:
        first = by_path.setdefault(socket.path, socket) if socket.path else socket
        if first is socket:
            yield socket
        else:
            first.declaration += socket.declaration
            first.means |= socket.means
            first.consumers += socket.consumers
