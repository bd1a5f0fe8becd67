"""Decorators of ``websocket.connect`` consumers that check the Origin, as in Channels 1.1.8.

The Origin header of a browser names the site whose script opens a socket. Scripts cannot change
it. A socket with a wrong Origin, or without one, is refused with HTTP 403.

An Origin must have the form of RFC 6454: ``scheme://host``, with a port if it is not the default
one. A host in a list allows its http and https pages, on any port. List other schemes, such as
those of browser extensions, as origins.
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
from channels_workers.logs import shown
from channels_workers.message import Message
from channels_workers.tokens.handshake import has_token

__all__ = [
    "AllowedHostsOnlyOriginValidator",
    "AllowedOriginsOnlyOriginValidator",
    "BaseOriginValidator",
    "ConfiguredOriginsOnlyOriginValidator",
    "ConfiguredOriginsOrTokenValidator",
    "allowed_hosts_only",
    "allowed_origins_only",
    "configured_origins_only",
    "configured_origins_or_token",
]

Consumer = Callable[..., Any]

#: Longer origins are refused unread; a name in DNS has up to 253 characters.
LONGEST_ORIGIN = 300

#: How much of an Origin stands in the log.
SHOWN = 100

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """The origin of a page. The host has no dot at its end; an unknown port is None."""

    scheme: str
    host: str
    port: int | None


class BaseOriginValidator:
    """Runs the consumer *func* if :meth:`validate_origin` returns true, else refuses the socket.

    A missing, empty or non-ASCII Origin is refused in any case, and so is a second one. The log has
    the reason.
    """

    #: What the Origin is compared with, for the log.
    allowed = "what it allows"

    def __init__(self, func: Consumer) -> None:
        functools.update_wrapper(self, func)
        self.func = func

    def __call__(self, message: Message, *args: Any, **kwargs: Any) -> Any:
        """Run the consumer, or raise :class:`~channels_workers.exceptions.DenyConnection`."""
        origin = self.get_origin(message)
        if not self.validate_origin(message, origin):
            raise DenyConnection(f"its Origin {shown(origin)[:SHOWN]} is not in {self.allowed}")
        return self.func(message, *args, **kwargs)

    def get_header(self, message: Message, name: bytes) -> list[bytes]:
        """Return the values of the first header *name* (bytes, in lower case).

        Raises ``KeyError`` if there is none.
        """
        for header in message.content.get("headers", ()):
            if header and header[0] == name:
                return list(header[1:])
        raise KeyError(f'No header named "{name.decode()}"')

    def get_origin(self, message: Message) -> str:
        """Return the Origin header as str.

        Raises :class:`~channels_workers.exceptions.DenyConnection` if there is none that can be
        read, or more than one.
        """
        try:
            return _only(message, b"origin").decode("ascii")
        except KeyError:
            several = len(_named(message, b"origin")) > 1
            headers = "several Origin headers" if several else "no Origin header"
            raise DenyConnection(f"it has {headers}") from None
        except UnicodeDecodeError:
            raise DenyConnection("its Origin is not ASCII") from None

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Return whether *origin* may open this socket; subclasses must override it.

        *message* is the ``websocket.connect``, *origin* its Origin header (str), unchecked.
        """
        raise NotImplementedError("Subclasses of BaseOriginValidator define validate_origin().")


class AllowedHostsOnlyOriginValidator(BaseOriginValidator):
    """Allows the hosts in ``ALLOWED_HOSTS``. If it is empty and DEBUG is on, this machine.

    An entry with a dot in front, such as ``.herokuapp.com``, may be a domain where strangers have
    hosts too. Of such hosts a page may open sockets to its own host only.
    """

    allowed = "ALLOWED_HOSTS"

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Return whether the host of *origin* is allowed."""
        return _is_of_allowed_host(message, origin)


class AllowedOriginsOnlyOriginValidator(BaseOriginValidator):
    """Allows a list of its own, for sites whose ``ALLOWED_HOSTS`` is too wide or too narrow.

    An entry is an origin (``https://chat.example.com``, with a port if it is not the default one),
    a host as in ``ALLOWED_HOSTS`` (``.example.com`` includes subdomains), or ``*``. Anything else
    is a ``ValueError``.
    """

    allowed = "the list of its consumer"

    def __init__(self, func: Consumer, allowed_origins: Iterable[str]) -> None:
        super().__init__(func)
        self.allowed_origins = list(allowed_origins)
        for entry in self.allowed_origins:
            check_entry(entry)

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Say whether *origin* is in the list."""
        return _is_listed(origin, self.allowed_origins)


class ConfiguredOriginsOnlyOriginValidator(BaseOriginValidator):
    """Allows ``CHANNEL_WORKERS["ALLOWED_ORIGINS"]``. If it is empty, ``ALLOWED_HOSTS``.

    If that is ``*``, a page may open sockets to its own host and port only.
    """

    @property
    def allowed(self) -> str:  # type: ignore[override]
        """What the Origin is compared with, for the log."""
        if configuration().ALLOWED_ORIGINS:
            return 'CHANNEL_WORKERS["ALLOWED_ORIGINS"]'
        return "its Host header" if "*" in settings.ALLOWED_HOSTS else "ALLOWED_HOSTS"

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


class ConfiguredOriginsOrTokenValidator(ConfiguredOriginsOnlyOriginValidator):
    """Allows handshakes with a token from anywhere, and others as its base class does.

    No browser adds a token by itself, as it does with cookies, and programs need no Origin. Use it
    above :func:`~channels_workers.tokens.token_user`, which refuses an invalid token even if there
    are cookies.
    """

    def __call__(self, message: Message, *args: Any, **kwargs: Any) -> Any:
        """Run the consumer, or raise :class:`~channels_workers.exceptions.DenyConnection`."""
        if has_token(message):
            return self.func(message, *args, **kwargs)
        return super().__call__(message, *args, **kwargs)


def allowed_origins_only(*allowed_origins: str) -> Callable[[Consumer], Consumer]:
    """Return a decorator that allows only *allowed_origins*.

    Write ``@allowed_origins_only("https://chat.example.com", ".example.org")``. Entries are those
    of :class:`AllowedOriginsOnlyOriginValidator`. An invalid one raises ``ValueError`` as the
    decorator is applied.
    """

    def decorate(func: Consumer) -> Consumer:
        return AllowedOriginsOnlyOriginValidator(func, allowed_origins)

    return decorate


def read_origin(text: str) -> Origin | None:
    """Return the origin in *text*; None if it is invalid."""
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
    """Return host and port at which the socket is opened; "" unless exactly one header has them."""
    try:
        if settings.USE_X_FORWARDED_HOST:
            with suppress(KeyError):
                return _only(message, b"x-forwarded-host").decode("ascii")
        return _only(message, b"host").decode("ascii")
    except (KeyError, UnicodeDecodeError):
        return ""


def _named(message: Message, name: bytes) -> list[Sequence[Any]]:
    headers = message.content.get("headers", ())
    return [header for header in headers if header and header[0] == name]


def _only(message: Message, name: bytes) -> bytes:
    """Return the value of the header *name*; KeyError if there is none, or several."""
    found = _named(message, name)
    if len(found) != 1 or len(found[0]) < 2:
        raise KeyError(f'Not one header named "{name.decode()}"')
    return bytes(found[0][1])


# Lower case, because they are used as decorators.
allowed_hosts_only = AllowedHostsOnlyOriginValidator
configured_origins_only = ConfiguredOriginsOnlyOriginValidator
configured_origins_or_token = ConfiguredOriginsOrTokenValidator
