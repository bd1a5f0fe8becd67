"""The hosts of several shards: their names, and the Redis of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels_redis.utils import decode_hosts
from django.core.exceptions import ImproperlyConfigured
from redis.connection import parse_url

from channels_workers.layers.redis.options import Host, describe, read_options
from channels_workers.layers.shards.names import is_shard_name

WHERE = "CONFIG['hosts'] of CHANNEL_LAYERS"

#: Keys of the description of one host, which names of shards should not be.
OF_ONE_HOST = (
    *("address", "host", "port", "db", "username", "password"),
    *("sentinels", "master_name", "cluster"),
)

#: The port of Sentinels, unless the operator has chosen another one.
SENTINEL_PORT = 26379


def read_shards(hosts: Any) -> dict[str, Host]:
    """Return the host of each shard by its name, in order; a list has the names "0", "1", ...

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for a wrong name, and for two
    shards in the same Redis.
    """
    if isinstance(hosts, Mapping):
        names = _checked_names(hosts)
        hosts = list(hosts.values())
    else:
        names = []
    try:
        decoded = decode_hosts(hosts)
    except ValueError as error:
        raise ImproperlyConfigured(f"{WHERE}: {error}") from error
    shards = dict(zip(names or map(str, range(len(decoded))), decoded, strict=True))
    if len(shards) > 1:
        _check_that_they_differ(shards)
    return shards


def _checked_names(hosts: Mapping[Any, Any]) -> list[str]:
    if found := [name for name in OF_ONE_HOST if name in hosts]:
        raise ImproperlyConfigured(
            f"{WHERE} is a dict with the key {found[0]!r}, which describes one Redis. Put it into "
            "a list: [{...}]. The keys of a dict of hosts are the names of shards."
        )
    for name in hosts:
        if not (isinstance(name, str) and is_shard_name(name)):
            raise ImproperlyConfigured(
                f"{WHERE} names a shard {name!r}. A name is 1 to 8 lower-case letters and digits, "
                "such as 'a' or 'east2'."
            )
    return list(hosts)


def _check_that_they_differ(shards: Mapping[str, Host]) -> None:
    known: dict[tuple[Any, ...], str] = {}
    for name, host in shards.items():
        if "cluster" in host:  # each shard has a slot of its own there
            continue
        place = _place_of(read_options(host))
        if place in known:
            raise ImproperlyConfigured(
                f"{WHERE} names {describe(host)} twice, as shard {known[place]!r} and as shard "
                f"{name!r}. Each shard needs a Redis of its own."
            )
        known[place] = name
    if known and all(place[1] == SENTINEL_PORT for place in known):
        raise ImproperlyConfigured(
            f"{WHERE} has {len(known)} entries with port {SENTINEL_PORT}, that of Sentinels. Each "
            "entry is a shard, so name all Sentinels of a Redis in one entry: "
            '[{"sentinels": [("10.0.0.1", 26379), ...], "master_name": "mysite"}].'
        )


def _place_of(host: Host) -> tuple[Any, ...]:
    """Return where the data of *host* are; equal for two spellings of one address."""
    if "master_name" in host:
        sentinels = sorted(map(str, host.get("sentinels", ())))
        return (str(host["master_name"]), *sentinels, int(host.get("db") or 0))
    read = dict(host)
    if "address" in read:
        read |= parse_url(read.pop("address"))  # type: ignore[no-untyped-call]
    path = read.get("path") or read.get("unix_socket_path")
    name = str(path or read.get("host") or "localhost").lower()
    return name, None if path else int(read.get("port") or 6379), int(read.get("db") or 0)
