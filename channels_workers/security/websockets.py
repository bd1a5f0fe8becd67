"""Decorators of ``websocket.connect`` consumers that look at the Origin; source: Channels 1.1.8.

A browser says in the Origin header which site's script opens a socket, and does not let
scripts change it. A socket without a right Origin is refused with HTTP 403.

An Origin is read strictly, as RFC 6454 has browsers write it: ``scheme://host``, and a port that
is not the scheme's own. A host in a list stands for its pages of http and https, on any port; what
has another scheme, as the page of an extension, must be listed as an origin.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from django.conf import settings
from django.http.request import validate_host

from channels_workers.conf import configuration
from channels_workers.exceptions import DenyConnection
from channels_workers.message import Message

__all__ = [
    "AllowedHostsOnlyOriginValidator",
    "AllowedOriginsOnlyOriginValidator",
    "BaseOriginValidator",
    "ConfiguredOriginsOnlyOriginValidator",
    "allowed_hosts_only",
    "allowed_origins_only",
    "configured_origins_only",
]

Consumer = Callable[..., Any]

#: A name in DNS has 253 characters; what is longer is not looked at.
LONGEST_ORIGIN = 300

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a page is from: host without a dot at its end, None for a port that is not known."""

    scheme: str
    host: str
    port: int | None


class BaseOriginValidator:
    """Runs the consumer *func* if :meth:`validate_origin` says so, else denies the connection.

    A missing, empty or non-ASCII Origin is denied without asking, and so is a second one.
    """

    def __init__(self, func: Consumer) -> None:
        functools.update_wrapper(self, func)
        self.func = func

    def __call__(self, message: Message, *args: Any, **kwargs: Any) -> Any:
        """Run the consumer, or raise :class:`DenyConnection`."""
        if not self.validate_origin(message, self.get_origin(message)):
            raise DenyConnection
        return self.func(message, *args, **kwargs)

    def get_header(self, message: Message, name: bytes) -> list[bytes]:
        """Return the values of the first header *name*; KeyError without one."""
        for header in message.content.get("headers", ()):
            if header and header[0] == name:
                return list(header[1:])
        raise KeyError(f'No header named "{name.decode()}"')

    def get_origin(self, message: Message) -> str:
        """Return the Origin; :class:`DenyConnection` without a readable one, and of several."""
        try:
            return _only(message, b"origin").decode("ascii")
        except (KeyError, UnicodeDecodeError):
            raise DenyConnection from None

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Say whether *origin* may open this socket; subclasses must override it."""
        raise NotImplementedError("Subclasses of BaseOriginValidator define validate_origin().")


class AllowedHostsOnlyOriginValidator(BaseOriginValidator):
    """Allows the hosts in ``ALLOWED_HOSTS``; with DEBUG and none set, this machine.

    An entry with a dot before it, such as ``.herokuapp.com``, may be a domain below which anybody
    can have a host: of it a page may open sockets at its own host alone.
    """

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Say whether the host of *origin* is allowed."""
        return _is_of_allowed_host(message, origin)


class AllowedOriginsOnlyOriginValidator(BaseOriginValidator):
    """Allows a list of its own, for sites whose ``ALLOWED_HOSTS`` says too much, or too little.

    An entry is an origin (``https://chat.example.com``, with a port if it is not the scheme's
    own), a host as in ``ALLOWED_HOSTS`` (``.example.com`` with its subdomains), or ``*``;
    ValueError for another one.
    """

    def __init__(self, func: Consumer, allowed_origins: Iterable[str]) -> None:
        super().__init__(func)
        self.allowed_origins = list(allowed_origins)
        for entry in self.allowed_origins:
            check_entry(entry)

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Say whether *origin* is in the list."""
        return _is_listed(origin, self.allowed_origins)


class ConfiguredOriginsOnlyOriginValidator(BaseOriginValidator):
    """Allows ``CHANNEL_WORKERS["ALLOWED_ORIGINS"]``; without any, the hosts in ``ALLOWED_HOSTS``.

    Where those are all there are (``*``), a socket is for the pages of the host at which it is
    opened.
    """

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Say whether *origin* is in the list."""
        if origins := configuration().ALLOWED_ORIGINS:
            return _is_listed(origin, origins)
        if "*" in settings.ALLOWED_HOSTS:
            return self._is_same_origin(message, origin)
        return _is_of_allowed_host(message, origin)

    def _is_same_origin(self, message: Message, origin: str) -> bool:
        found = read_origin(origin)
        if found is None or found.scheme not in _PORTS:
            return False
        return found == read_origin(f"{found.scheme}://{_own_host(message)}")


def allowed_origins_only(*allowed_origins: str) -> Callable[[Consumer], Consumer]:
    """Return a decorator that allows only *allowed_origins*.

    ``@allowed_origins_only("https://chat.example.com", ".example.org")``; what an entry may
    be: see :class:`AllowedOriginsOnlyOriginValidator`.
    """

    def decorate(func: Consumer) -> Consumer:
        return AllowedOriginsOnlyOriginValidator(func, allowed_origins)

    return decorate


def read_origin(text: str) -> Origin | None:
    """Return the origin that *text* says, None if it says none."""
    found = _ORIGIN.fullmatch(text.lower()) if len(text) <= LONGEST_ORIGIN else None
    if found is None:
        return None
    scheme, port = found["scheme"], found["port"]
    if port is not None and not 0 < int(port) < 65536:
        return None
    return Origin(scheme, found["host"], int(port) if port else _PORTS.get(scheme))


def check_entry(entry: str) -> None:
    """Raise ValueError for an *entry* of a list that no Origin of a browser would ever match."""
    text = entry.rstrip("/") if "://" in entry else f"http://{entry.removeprefix('.')}"
    found = read_origin(text)
    if entry != "*" and (found is None or ("://" not in entry and found.port != _PORTS["http"])):
        raise ValueError(
            f"{entry!r} is no origin: expected one such as 'https://chat.example.com' or "
            "'http://localhost:8000', or a host without a port such as 'chat.example.com', "
            "'.example.com' for its subdomains too, or '*'. Names in other letters stand as "
            "browsers send them, 'xn--...'."
        )


def _is_of_allowed_host(message: Message, origin: str) -> bool:
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        return _is_of_host(origin, [".localhost", "127.0.0.1", "[::1]"])
    named = [host for host in settings.ALLOWED_HOSTS if not host.startswith(".")]
    if _is_of_host(origin, named):
        return True
    own, found = read_origin(f"http://{_own_host(message)}"), read_origin(origin)
    is_own = own is not None and found is not None and own.host == found.host
    return is_own and _is_of_host(origin, settings.ALLOWED_HOSTS)


def _is_listed(origin: str, allowed: Sequence[str]) -> bool:
    found = read_origin(origin)
    origins = [read_origin(item.rstrip("/")) for item in allowed if "://" in item]
    hosts = [item for item in allowed if "://" not in item]
    return found is not None and (found in origins or _is_of_host(origin, hosts))


def _is_of_host(origin: str, allowed: Iterable[str]) -> bool:
    found = read_origin(origin)
    if found is None or found.scheme not in _PORTS:
        return False
    return validate_host(found.host, [host.lower() for host in allowed])


def _own_host(message: Message) -> str:
    """Return host and port at which the socket is opened; "" if that is not said once."""
    try:
        if settings.USE_X_FORWARDED_HOST:
            with suppress(KeyError):
                return _only(message, b"x-forwarded-host").decode("ascii")
        return _only(message, b"host").decode("ascii")
    except (KeyError, UnicodeDecodeError):
        return ""


def _only(message: Message, name: bytes) -> bytes:
    """Return the value of the header *name*; KeyError if there is none, or several."""
    headers = message.content.get("headers", ())
    found = [header for header in headers if header and header[0] == name]
    if len(found) != 1 or len(found[0]) < 2:
        raise KeyError(f'Not one header named "{name.decode()}"')
    return bytes(found[0][1])


# Lower case, as it is used.
allowed_hosts_only = AllowedHostsOnlyOriginValidator
configured_origins_only = ConfiguredOriginsOnlyOriginValidator
