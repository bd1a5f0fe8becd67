"""Which consumer runs which message. The API is that of Channels 1.1.8.

A routing is a list of :class:`Route` and :class:`Include`, a dict from channel names to
consumers, or the dotted path of either.
"""

from __future__ import annotations

import functools
import importlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from channels_workers import unheard
from channels_workers.conf import configuration
from channels_workers.handler import ViewConsumer
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
    RESUME,
)
from channels_workers.logs import fields, name_of, shown
from channels_workers.message import Consumer, Message
from channels_workers.middleware import Chain

__all__ = [
    "Include",
    "Match",
    "Route",
    "RouteClass",
    "Router",
    "connect_consumer",
    "get_router",
    "include",
    "null_consumer",
    "route",
    "route_class",
]

logger = logging.getLogger(__name__)

Filters = dict[str, re.Pattern[str]]

#: How many paths without a route are logged in a process, each once: clients choose them.
UNROUTED_PATHS = 1_000

#: A dollar at the end of a pattern, which no backslash makes a plain one.
_END = re.compile(r"(?<!\\)(?:\\\\)*\$\Z")


class Match(NamedTuple):
    """A consumer, and the values of the named groups in its filters."""

    consumer: Consumer
    kwargs: dict[str, str]


class Route:
    """A consumer for one channel or several; also named ``route``.

    *channels* is a name or a list of names. *consumer* is a callable or its dotted path. It is
    called with the message, and with the named groups of the filters as keyword arguments (str).

    Each filter is named after a key of the message. Its value is a regular expression that must
    match the beginning of the text there. Bytes are decoded as UTF-8. A message without that key,
    or with another type there, does not match. ``$`` at the end of a filter matches the end of
    the text only, not before a last line end.

    Raises ``ValueError`` for a filter that is no regular expression or has groups without names,
    and :class:`~django.core.exceptions.ImproperlyConfigured` for a consumer that cannot be
    imported or called.
    """

    def __init__(
        self,
        channels: str | bytes | Iterable[str | bytes],
        consumer: str | Consumer,
        **filters: str | bytes,
    ) -> None:
        names = [channels] if isinstance(channels, str | bytes) else channels
        self.channels = [_as_text(name) for name in names]
        self.consumer = resolve_consumer(consumer)
        self.filters = compile_filters(filters, f"the route of {', '.join(self.channels)}")

    def match(self, message: Message) -> Match | None:
        """Return the consumer and its keyword arguments; None if *message* is not for it."""
        return self.match_values(message.channel_name, message)

    def match_values(self, channel: str, values: Message | Mapping[str, Any]) -> Match | None:
        """Match *channel* and the message's *values*, some of which an include has shortened."""
        if channel not in self.channels:
            return None
        kwargs: dict[str, str] = {}
        for name, pattern in self.filters.items():
            found = _match(pattern, values, name)
            if found is None:
                return None
            kwargs.update(found.groupdict())
        return Match(self.consumer, kwargs)

    def channel_names(self) -> set[str]:
        """Return the channels that this route listens to."""
        return set(self.channels)

    def __str__(self) -> str:
        filters = ", ".join(f"{name}={found.pattern}" for name, found in self.filters.items())
        return f"{'/'.join(self.channels)} ({filters}) -> {name_of(self.consumer)}"


class RouteClass(Route):
    """A class-based consumer; also named ``route_class``.

    It is for the channels that ``channel_names()`` of the class returns. *consumer* is the class
    or its dotted path. Filters and errors are those of :class:`Route`. Raises ``ValueError`` also
    for a consumer without ``channel_names()``.
    """

    def __init__(self, consumer: str | Consumer, **filters: str | bytes) -> None:
        found = resolve_consumer(consumer)
        names = getattr(found, "channel_names", None)
        if not callable(names):
            raise ValueError(
                "The consumer passed to RouteClass has no valid channel_names method: "
                f"{name_of(found)}. It is for classes such as WebsocketConsumer; a function takes "
                "route()."
            )
        super().__init__(names(), found, **filters)


class Include:
    """Another routing below prefixes; also named ``include``.

    *routing* is a list, a dict or a dotted path. Prefixes are named like the filters of a
    :class:`Route`, and must match the beginning of the text. Filters in the routing see the text
    after the prefix. Named groups of prefixes become keyword arguments too. A group of the same
    name in the routing takes precedence.

    Raises ``ValueError`` for a prefix that is no regular expression, and
    :class:`~django.core.exceptions.ImproperlyConfigured` for anything that is not a routing.
    """

    def __init__(self, routing: Any, **prefixes: str | bytes) -> None:
        self.routing = resolve_routing(routing)
        self.prefixes = compile_filters(prefixes, "an include", named_groups_only=False)
        self._entries = by_channel(self.routing)

    def match(self, message: Message) -> Match | None:
        """Return the consumer and its arguments, None if nothing in the routing matches."""
        return self.match_values(message.channel_name, message)

    def match_values(self, channel: str, values: Message | Mapping[str, Any]) -> Match | None:
        """Match *channel* and the message's *values*, some of which an include has shortened."""
        kwargs: dict[str, str] = {}
        shortened: dict[str, str] = {}
        for name, pattern in self.prefixes.items():
            found = _match(pattern, values, name)
            if found is None:
                return None
            kwargs.update(found.groupdict())
            shortened[name] = found.string[found.end() :]
        inner = _Shortened(values, shortened) if shortened else values
        for entry in self._entries.get(channel, ()):
            match = entry.match_values(channel, inner)
            if match is not None:
                return Match(match.consumer, {**kwargs, **match.kwargs}) if kwargs else match
        return None

    def add(self, entry: Any) -> None:
        """Add *entry* below all others."""
        self.routing.append(entry)
        self._entries = by_channel(self.routing)

    def channel_names(self) -> set[str]:
        """Return the channels that the routing listens to."""
        return set(self._entries)


class Router:
    """A whole routing.

    Workers also listen to the channels of WebSockets, of tasks if ``TASKS`` has our backend, and of
    HTTP after :meth:`check_default`: see :meth:`match_or_default`.
    """

    def __init__(self, routing: Any) -> None:
        self.root = Include(routing)
        of_apps = [route for routes in routes_of_apps for route in routes()]
        #: The channels that apps of the engine listen to, beside the routing.
        self.channels_of_apps = set(by_channel(of_apps))
        self._defaults = of_apps
        self._unrouted: set[str] = set()
        self._has_http = False
        self._renew()

    def _renew(self) -> None:
        of_sockets = [*DEFAULTS, *([RESUMES] if configuration().RESUME_TIME else [])]
        defaults = [*map(self._default, of_sockets), *self._defaults]
        self._entries = by_channel([*self.root.routing, *defaults])
        #: Whether the routing names ``http.disconnect``.
        self.hears_ends = REQUEST_DISCONNECT in self.channels

    @cached_property
    def middleware(self) -> Chain | None:
        """The middleware around consumers, None without any.

        Raises :class:`~django.core.exceptions.ImproperlyConfigured`.
        """
        paths = configuration().MIDDLEWARE
        return Chain(paths) if paths else None

    def _default(self, default: Route) -> Route:
        """Return *default*; if the routing names its channel, it logs paths without a route."""
        if self.channels.isdisjoint(default.channels):
            return default

        @functools.wraps(default.consumer)
        def consumer(message: Message, **kwargs: Any) -> None:
            self._note_unrouted(message)
            default.consumer(message, **kwargs)

        return Route(default.channels, consumer)

    def _note_unrouted(self, message: Message) -> None:
        path, channel = shown(str(message.get("path", "-"))), message.channel_name
        if path in self._unrouted or len(self._unrouted) >= UNROUTED_PATHS:
            return
        self._unrouted.add(path)
        more = "" if len(self._unrouted) < UNROUTED_PATHS else " No more paths are logged."
        logger.warning(
            "No route for %s matches the path %s, so workers %s. This is logged once for a path.%s",
            channel,
            path,
            "accept the socket" if channel == CONNECT else "ignore the message",
            more,
            extra=fields("not_routed", channel=channel, path=path),
        )

    @property
    def channels(self) -> set[str]:
        """The channels of the routing."""
        return self.root.channel_names()

    @property
    def channels_and_defaults(self) -> set[str]:
        """The channels that workers listen to."""
        return set(self._entries)

    def add_route(self, route: Route | Include) -> None:
        """Add *route* below all others."""
        self.root.add(route)
        self._renew()

    def check_default(self, http_consumer: Consumer | None = None) -> None:
        """Add *http_consumer* for the HTTP requests that no route takes, by default Django's views.

        From now on :meth:`match` returns the defaults, too. Workers call this if ``HTTP`` in
        ``CHANNEL_WORKERS`` gives requests to workers.
        """
        if not self._has_http:
            self._has_http = True
            self._defaults.append(Route(REQUEST, http_consumer or ViewConsumer()))
            self._defaults.append(Route(REQUEST_DISCONNECT, null_consumer))
            self._renew()

    def match(self, message: Message) -> Match | None:
        """Return the consumer for *message* and its arguments, None if there is none."""
        return self.match_or_default(message) if self._has_http else self.root.match(message)

    def match_or_default(self, message: Message) -> Match | None:
        """Do :meth:`match`; without a match, return the default.

        ``websocket.connect`` is accepted, and the other messages of sockets are ignored.
        For HTTP see :meth:`check_default`. For other channels it is None.
        """
        channel = message.channel_name
        for entry in self._entries.get(channel, ()):
            match: Match | None = entry.match_values(channel, message)
            if match is not None:
                return match
        return None


class _Shortened:
    """The values of a message, some of them without what the prefixes of an include matched."""

    def __init__(self, values: Any, shortened: dict[str, str]) -> None:
        self.values = values
        self.shortened = shortened

    def get(self, key: str) -> Any:
        return self.shortened[key] if key in self.shortened else self.values.get(key)


def get_router() -> Router:
    """Return a router for the setting ``CHANNEL_ROUTING``."""
    routing = getattr(settings, "CHANNEL_ROUTING", None)
    if routing is None:
        raise ImproperlyConfigured(
            "The setting CHANNEL_ROUTING is missing. Give the dotted path of your routing, "
            'e.g. CHANNEL_ROUTING = "chat.routing.channel_routing".'
        )
    return Router(routing)


def resolve_routing(routing: Any) -> list[Any]:
    """Return *routing*, a list, a dict or the dotted path of one, as a list of its own."""
    if isinstance(routing, str):
        routing = _import(routing, "channel routing")
    if isinstance(routing, Mapping):
        return [Route(channel, consumer) for channel, consumer in routing.items()]
    if isinstance(routing, Sequence) and all(map(is_entry, routing)):
        return list(routing)
    raise ImproperlyConfigured(
        "A channel routing must be a list of route() and include(), a dict of channel names to "
        f"consumers, or the dotted path of one; got {routing!r}."
    )


def by_channel(routing: Iterable[Any]) -> dict[str, list[Any]]:
    """Return the entries of *routing* that listen to each channel, in their order."""
    found: dict[str, list[Any]] = {}
    for entry in routing:
        for channel in set(entry.channel_names()):
            found.setdefault(channel, []).append(entry)
    return found


def is_entry(item: Any) -> bool:
    """Say whether *item* can stand in a routing."""
    return hasattr(item, "match_values") and hasattr(item, "channel_names")


def resolve_consumer(consumer: str | Consumer) -> Consumer:
    """Return *consumer*, a callable or the dotted path of one, as a callable."""
    found: Any = _import(consumer, "consumer") if isinstance(consumer, str) else consumer
    if not callable(found):
        raise ImproperlyConfigured(f"A consumer must be callable, not {found!r}.")
    return found  # type: ignore[no-any-return]


def compile_filters(
    filters: Mapping[str, str | bytes], where: str, named_groups_only: bool = True
) -> Filters:
    """Return *filters* compiled; ValueError for groups that cannot become arguments."""
    compiled = {name: _compile(name, pattern, where) for name, pattern in filters.items()}
    for name, pattern in compiled.items():
        if named_groups_only and pattern.groups != len(pattern.groupindex):
            raise ValueError(
                f"Filter for {name} on {where} contains positional groups; only named groups "
                "are allowed."
            )
    return compiled


def _compile(name: str, pattern: str | bytes, where: str) -> re.Pattern[str]:
    try:
        return re.compile(_as_text(pattern))
    except re.error as error:
        raise ValueError(
            f"Filter for {name} on {where} is no regular expression: {pattern!r}: {error}"
        ) from error


def null_consumer(message: Message, **kwargs: Any) -> None:
    """Ignore *message*."""


def connect_consumer(message: Message, **kwargs: Any) -> None:
    """Accept the connection of *message*, a ``websocket.connect``."""
    if message.reply_channel is not None:
        message.reply_channel.send({"accept": True})


def _match(pattern: re.Pattern[str], values: Any, name: str) -> re.Match[str] | None:
    value = values.get(name)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    found = pattern.match(value) if isinstance(value, str) else None
    # To Python, $ is also before a line end that is last. Here it is the end, as in urls.py.
    if found and value[-1:] == "\n" and _ends_before_it(pattern, found):
        return None
    return found


def _ends_before_it(pattern: re.Pattern[str], found: re.Match[str]) -> bool:
    is_strict = _END.search(pattern.pattern) is not None and not pattern.flags & re.MULTILINE
    return is_strict and found.end() == len(found.string) - 1


def _import(path: str, what: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImproperlyConfigured(f"Cannot import {what} {path!r}: {error}") from error


def _as_text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


#: Each returns the routes that an app of the engine needs beside ``CHANNEL_ROUTING``.
routes_of_apps: list[Callable[[], list[Route]]] = []

unheard.routed.append(lambda: get_router().channels_and_defaults)

#: What workers do with the messages of WebSockets that no route matches.
DEFAULTS = [
    Route(CONNECT, connect_consumer),
    Route(RECEIVE, null_consumer),
    Route(DISCONNECT, null_consumer),
]

#: The same, if sockets are resumable.
RESUMES = Route(RESUME, null_consumer)


# Lower case, to match urls.py.
route = Route
route_class = RouteClass
include = Include
