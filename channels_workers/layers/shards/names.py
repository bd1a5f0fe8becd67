"""The names of shards, and what has its place on which shard."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence

from channels_workers.layers.types import Delivery

#: Matches the name of a shard.
is_shard_name = re.compile(r"[a-z0-9]{1,8}").fullmatch

_is_sharded = re.compile(r"([a-z0-9]{1,8})-[0-9a-f]{16}(?:![^!]*)?").fullmatch


def shard_of(name: str) -> str | None:
    """Return the shard in a server id or a reply channel, None if it names none.

    Servers of a layer with one shard have ids without a shard.
    """
    found = _is_sharded(name)
    return found[1] if found else None


def id_on(shard: str | None, own: str) -> str:
    """Return the id of a server on *shard*, None for the only one; *own* is a new id."""
    return own if shard is None else f"{shard}-{own}"


def home_of(name: str, shards: Sequence[str]) -> str:
    """Return which of *shards* is the home of something called *name*.

    All processes agree on it, as long as they know the same shards. One more of them becomes the
    home of its share, and no other home changes.
    """
    return max(shards, key=lambda shard: (zlib.crc32(f"{shard}:{name}".encode()), shard))


def home_of_member(group: str, channel: str, shards: Sequence[str]) -> str:
    """Return the shard that has an ordinary channel as a member of *group*."""
    return home_of(f"{group}\n{channel}", shards)


def named(shard: str, deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Return *deliveries* with the name of their shard."""
    return [delivery._replace(shard=shard) for delivery in deliveries]
