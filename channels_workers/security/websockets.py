"""Decorators of ``websocket.connect`` consumers that look at the Origin; source: Channels 1.1.8.

A browser says in the Origin header which site's script opens a socket, and does not let
scripts change it. A socket without a right Origin is refused with HTTP 403.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from channels_workers.conf import configuration
from channels_workers.exceptions import DenyConnection
from channels_workers.message import Message

Consumer = Callable[..., Any]


class BaseOriginValidator:
    """Runs the consumer *func* if :meth:`validate_origin` says so, else denies the connection.

    A missing, empty or non-ASCII Origin is denied without asking.
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
        """Return the Origin; :class:`DenyConnection` without a readable one."""
        try:
            return self.get_header(message, b"origin")[0].decode("ascii")
        except (IndexError, KeyError, UnicodeDecodeError):
            raise DenyConnection from None

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Say whether *origin* may open this socket; subclasses must override it."""
        raise NotImplementedError("Subclasses of BaseOriginValidator define validate_origin().")


class AllowedHostsOnlyOriginValidator(BaseOriginValidator):
    """Allows the hosts in ``ALLOWED_HOSTS``; with DEBUG and none set, this machine."""

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Say whether the host of *origin* is allowed."""
        return _host_is_allowed(origin, _allowed_hosts())


class AllowedOriginsOnlyOriginValidator(BaseOriginValidator):
    """Allows a list of its own, for sites whose ``ALLOWED_HOSTS`` says too much, or too little.

    An entry is an origin (``https://chat.example.com``, with a port if it is not the scheme's
    own), a host as in ``ALLOWED_HOSTS`` (``.example.com`` with its subdomains), or ``*``.
    """

    def __init__(self, func: Consumer, allowed_origins: Iterable[str]) -> None:
        super().__init__(func)
        self.allowed_origins = list(allowed_origins)

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
            return self._is_same_host(message, origin)
        return _host_is_allowed(origin, _allowed_hosts())

    def _is_same_host(self, message: Message, origin: str) -> bool:
        try:
            host = self.get_header(message, b"host")[0].decode("ascii")
        except (IndexError, KeyError, UnicodeDecodeError):
            return False
        schemes = ("http", "https")
        own = [_normalized(f"{scheme}://{host}") for scheme in schemes if origin.startswith(scheme)]
        return bool(host) and _normalized(origin) in own


def allowed_origins_only(*allowed_origins: str) -> Callable[[Consumer], Consumer]:
    """Return a decorator that allows only *allowed_origins*.

    ``@allowed_origins_only("https://chat.example.com", ".example.org")``; what an entry may
    be: see :class:`AllowedOriginsOnlyOriginValidator`.
    """

    def decorate(func: Consumer) -> Consumer:
        return AllowedOriginsOnlyOriginValidator(func, allowed_origins)

    return decorate


def _allowed_hosts() -> list[str]:
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        return [".localhost", "127.0.0.1", "[::1]"]
    return list(settings.ALLOWED_HOSTS)


def _is_listed(origin: str, allowed: Sequence[str]) -> bool:
    hosts = [item for item in allowed if "://" not in item]
    origins = [_normalized(item) for item in allowed if "://" in item]
    wanted = _normalized(origin)
    return (wanted is not None and wanted in origins) or _host_is_allowed(origin, hosts)


def _host_is_allowed(origin: str, allowed: list[str]) -> bool:
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    if not host:
        return False
    return validate_host(f"[{host}]" if ":" in host else host, allowed)


def _normalized(origin: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port or default


# Lower case, as it is used.
allowed_hosts_only = AllowedHostsOnlyOriginValidator
configured_origins_only = ConfiguredOriginsOnlyOriginValidator
