"""Finds keys in Redis that should be gone."""

from __future__ import annotations

from collections.abc import Iterator

from labs.faults.site import Site

#: Keys that contain a server's name, and keys that exist only for connections.
OF_SERVERS = ("connections", "inbox", "groups")
OF_SOCKETS = ("connections", "session", "group", "groups", "told", "kept")


def ghosts(site: Site) -> list[str]:
    """Return the keys and group members of servers that the layer does not know."""
    known, members = set[str](), set[tuple[str, str]]()
    for server in site.all_redis:
        with server.client() as client:
            for key in client.keys(f"{site.prefix}:*:processes"):
                known |= {name.decode() for name in client.hkeys(key)}
            for key in client.keys(f"{site.prefix}:*:group:*"):
                members |= {(key.decode(), name.decode()) for name in client.hkeys(key)}
    of_servers = ((key, key.rpartition(":")[2]) for key in _found(site, OF_SERVERS))
    return [f"{key} of {name}" for key, name in [*of_servers, *members] if name not in known]


def leftovers(site: Site) -> list[str]:
    """Return keys of sockets and requests. There must be none when all have ended."""
    return list(_found(site, OF_SOCKETS))


def _found(site: Site, kinds: tuple[str, ...]) -> Iterator[str]:
    for kind in kinds:
        yield from (f"{kind}:{name}" for name in _names(site, kind))


def _names(site: Site, kind: str) -> list[str]:
    return [key.partition(":")[2] for key in site.keys(f"{kind}:*")]
