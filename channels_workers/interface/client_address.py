"""The addresses of clients behind trusted proxies, and limits per address."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from channels_workers.conf import configuration
from channels_workers.interface.handshake_refusals import refuse_address
from channels_workers.interface.types import Application, Scope
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The header to which each proxy appends the address of its client.
FORWARDED = b"x-forwarded-for"

#: Providers hand out IPv6 addresses in networks of this size: all of one network is one client.
NETWORK = 64


def client_address(peer: str, forwarded: str, proxies: int) -> str:
    """Return the address of the client behind *peer* and a chain of *proxies*.

    *forwarded* is the header X-Forwarded-For, its lines joined by commas. The rightmost entries
    come from the trusted *proxies* and count; clients can forge those before them. Without a valid
    entry it is *peer*.
    """
    entries = [entry.strip() for entry in forwarded.split(",") if entry.strip()]
    if not proxies or not entries:
        return readable(peer) or peer
    return readable(entries[-min(proxies, len(entries))]) or readable(peer) or peer


def readable(entry: str) -> str:
    """Return the address in *entry*, without its port and in its shortest form; "" if invalid."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ip_address(entry.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def network_of(address: str) -> str:
    """Return the key by which limits count *address*: for IPv6 its network."""
    try:
        is_network = isinstance(ip_address(address), IPv6Address)
    except ValueError:
        return address
    return str(ip_network(f"{address}/{NETWORK}", strict=False)) if is_network else address


def with_client(scope: Scope) -> Scope:
    """Return *scope* with the client's address as the trusted proxies report it."""
    proxies = configuration().TRUSTED_PROXIES
    if not proxies:
        return scope
    lines = [value for name, value in scope.get("headers", ()) if name == FORWARDED]
    if not lines:
        return scope
    forwarded = b",".join(lines).decode("latin-1")
    return {**scope, "client": [client_address(_peer(scope), forwarded, proxies), 0]}


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def network_of_client(scope: Scope) -> str:
    """Return the key by which limits count the client of *scope*; "" without an address."""
    return network_of(client_address(_peer(scope), "", 0))


class Place:
    """The place of one client's connection or request; *leave* is called once at most."""

    __slots__ = ("_leave",)

    def __init__(self, leave: Callable[[], None] | None = None) -> None:
        self._leave = leave

    def leave(self) -> None:
        """Leave it to others."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class LimitPerAddress:
    """Runs the ASGI application *serve*, concurrently up to the setting *name* for each address.

    *refuse* gets the others. Clients without an address are not counted, such as those behind a
    Unix socket and a proxy that does not report it.
    """

    def __init__(
        self,
        serve: Application,
        name: str = "CONNECTIONS_PER_ADDRESS",
        what: str = "sockets",
        refuse: Application = refuse_address,
    ) -> None:
        self.serve = serve
        self.name = name
        self.what = what  # is counted
        self.refuse = refuse
        self.counts: Counter[str] = Counter()
        self._full: set[str] = set()  # those of which the log knows

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one, or refuse it."""
        place = self.enter(scope)
        if place is None:
            await self.refuse(scope, receive, send)
            return
        try:
            await self.serve(scope, receive, send)
        finally:
            place.leave()

    def enter(self, scope: Scope) -> Place | None:
        """Count one until it leaves its place; None if it is to be refused."""
        limit: int = getattr(configuration(), self.name)
        address = network_of_client(scope) if limit else ""
        if not address:
            return Place()
        if self.counts[address] >= limit:
            self._note(address, limit)
            return None
        self.counts[address] += 1
        return Place(partial(self._leave, address, limit))

    def _leave(self, address: str, limit: int) -> None:
        self.counts[address] -= 1
        if self.counts[address] <= limit // 2:  # or one that comes and goes would fill the log
            self._full.discard(address)
        if not self.counts[address]:
            del self.counts[address]

    def _note(self, address: str, limit: int) -> None:
        if address not in self._full:
            self._full.add(address)
            logger.warning(
                "The address %s has %d %s here, its limit; more of it are refused (%s)",
                address,
                limit,
                self.what,
                self.name,
                extra=fields("address_full", client=address),
            )
