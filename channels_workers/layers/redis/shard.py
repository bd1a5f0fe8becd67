"""What the scripts of one shard know of the others; no I/O."""

from __future__ import annotations

from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

from channels_workers.layers.shards.names import home_of, home_of_member
from channels_workers.layers.shards.types import LOG_BYTES, LOG_ENTRIES
from channels_workers.layers.types import server_of


def check_limit(name: str, value: object) -> None:
    """Raise ImproperlyConfigured unless *value* can be the limit *name* of a log."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 53:
        raise ImproperlyConfigured(
            f"CONFIG[{name!r}] of CHANNEL_LAYERS must be a whole number from 1 on, not {value!r}."
        )


class Shard(NamedTuple):
    """The shard *name*, one of *names*, whose log has so many *entries* and bytes at most.

    The first of *names* has all channels without a shard in their names.
    """

    name: str
    names: tuple[str, ...]
    entries: int = LOG_ENTRIES
    size: int = LOG_BYTES

    def key(self, prefix: str) -> str:
        """Return the third key of each script, "" without other shards; see ``lib/log.lua``."""
        others = [name for name in self.names if name != self.name]
        if not others:
            return ""
        limits = f"{self.entries}:{self.size}"
        return f"{prefix}shards:{self.name}:{','.join(others)}:{limits}:{self.names[0]}"

    def home_of(self, group: str) -> str:
        """Return the home of the history of *group*."""
        return home_of(group, self.names)

    def home_of_member(self, group: str, channel: str) -> str | int:
        """Return the home of an ordinary channel in *group*, 0 for a reply channel."""
        return 0 if server_of(channel) else home_of_member(group, channel, self.names)
