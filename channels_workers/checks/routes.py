"""System checks of single routes: their channels, their filters and their order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from channels_workers.checks.patterns import cannot_begin_with, literal_start
from channels_workers.checks.routing import load_router
from channels_workers.layers.channel_layer import is_channel_name
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
    RESUME,
)
from channels_workers.logs import name_of
from channels_workers.routing import Include, Route

#: The channels of the interface servers. Their messages have a path.
OWN_CHANNELS = (CONNECT, RECEIVE, DISCONNECT, RESUME, REQUEST, REQUEST_DISCONNECT)

#: How alike two names are of which one is probably a typing error, from 0 to 1.
ALIKE = 0.85

Patterns = tuple[re.Pattern[str], ...]


class RouteTo(NamedTuple):
    """A route to *channel*, with the *filters* for each key: its own after those of includes."""

    channel: str
    route: Route
    filters: Mapping[str, Patterns]

    @property
    def groups(self) -> set[str]:
        """The named groups, which become keyword arguments."""
        return {name for each in self.filters.values() for one in each for name in one.groupindex}

    def __str__(self) -> str:
        filters = (
            f"{key}={' + '.join(one.pattern for one in patterns)}"
            for key, patterns in self.filters.items()
        )
        return f"{self.channel} ({', '.join(filters)}) -> {name_of(self.route.consumer)}"


def all_routes(
    routing: Iterable[Any], prefixes: Mapping[str, Patterns] | None = None
) -> Iterator[RouteTo]:
    """Yield the routes of *routing* and its includes, in their order, for each channel."""
    outer = prefixes or {}
    for entry in routing:
        if isinstance(entry, Include):
            yield from all_routes(entry.routing, _longer(outer, entry.prefixes))
        elif isinstance(entry, Route):
            filters = _longer(outer, entry.filters)
            for channel in entry.channels:
                yield RouteTo(channel, entry, filters)


def _longer(
    outer: Mapping[str, Patterns], inner: Mapping[str, re.Pattern[str]]
) -> Mapping[str, Patterns]:
    return {**outer, **{key: (*outer.get(key, ()), one) for key, one in inner.items()}}


def loaded_routes() -> list[RouteTo]:
    """Return all routes; none if they cannot be loaded, which another check reports."""
    try:
        return list(all_routes(load_router().root.routing))
    except (ImproperlyConfigured, ValueError):
        return []


def distinct(problems: Iterable[CheckMessage]) -> list[CheckMessage]:
    """Return *problems* once each: a consumer may have several routes."""
    found: dict[str, CheckMessage] = {}
    for each in problems:
        found.setdefault(f"{each.id} {each.msg}", each)
    return list(found.values())


@register("channels_workers")
def check_routes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Look for routes that can get no message."""
    routes = loaded_routes()
    return [*_names(routes), *_paths(routes), *_hidden(routes)]


def _names(routes: Iterable[RouteTo]) -> Iterator[CheckMessage]:
    for name in sorted({each.channel for each in routes}):
        if "!" in name or not is_channel_name(name):
            yield Error(
                f"The channel routing has the channel {name!r}, which no message can be sent to.",
                hint="A name has up to 99 ASCII letters, digits, hyphens, underscores and periods.",
                id="channels_workers.E024",
            )
        elif meant := _meant(name):
            yield checks.Warning(
                f"The channel routing has the channel {name!r}, which interface servers do not "
                f"send to. {meant}",
                hint=f"Their channels are {', '.join(OWN_CHANNELS)}. If it is a channel of yours, "
                "give it a name that does not look like one of these.",
                id="channels_workers.W015",
            )


def _meant(name: str) -> str:
    """Return the question which channel was meant by *name*; "" if it is surely another one."""
    if name in OWN_CHANNELS:
        return ""
    close = get_close_matches(name, OWN_CHANNELS, n=1, cutoff=ALIKE)
    if close:
        return f"Did you mean {close[0]!r}?"
    kind, dot, _ = name.partition(".")
    alike = [own for own in OWN_CHANNELS if dot and own.startswith(f"{kind}.")]
    return f"Did you mean one of {', '.join(map(repr, alike))}?" if alike else ""


def _paths(routes: Iterable[RouteTo]) -> Iterator[CheckMessage]:
    seen = set()
    for each in routes:
        first = each.filters.get("path", (None,))[0]
        if each.channel not in OWN_CHANNELS or first is None or first in seen:
            continue
        if cannot_begin_with("/", first):
            seen.add(first)
            yield checks.Warning(
                f"The route {each} never gets a message: its path filter "
                f"{first.pattern!r} cannot match, because each path begins with a slash.",
                hint=f"path={_with_slash(first.pattern)!r}",
                id="channels_workers.W016",
            )


def _with_slash(pattern: str) -> str:
    start = "^" if pattern.startswith("^") else ""
    return f"{start}/{pattern.removeprefix('^')}"


def _hidden(routes: Sequence[RouteTo]) -> Iterator[CheckMessage]:
    for number, later in enumerate(routes):
        of_channel = (each for each in routes[:number] if each.channel == later.channel)
        earlier = next((each for each in of_channel if _takes_all(each, later)), None)
        if earlier is not None:
            yield checks.Warning(
                f"The route {later} never gets a message: {earlier} comes first, and takes all of "
                "them.",
                hint="Put it in front of the other, end the filter of the other with $, or remove "
                "it.",
                id="channels_workers.W017",
            )


def _takes_all(earlier: RouteTo, later: RouteTo) -> bool:
    """Say whether *earlier* surely matches whatever *later* matches."""
    return all(
        _covers(patterns, later.filters.get(key), key == "path" and later.channel in OWN_CHANNELS)
        for key, patterns in earlier.filters.items()
    )


def _covers(general: Patterns, special: Patterns | None, is_path: bool) -> bool:
    if special is None:
        return is_path and all(map(_matches_each_path, general))
    *before, last = general
    if len(special) < len(general) or list(special[: len(before)]) != before:
        return False
    other = special[len(before)]
    if last == other:
        return True
    start, is_all = literal_start(last)
    return is_all and literal_start(other)[0].startswith(start)


def _matches_each_path(pattern: re.Pattern[str]) -> bool:
    return literal_start(pattern) in (("", True), ("/", True))
