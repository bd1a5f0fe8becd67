"""What the scripts of one shard know of the others; no I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from channels_workers.layers.shards.names import home_of, home_of_member
from channels_workers.layers.shards.types import LOG_BYTES, LOG_ENTRIES
from channels_workers.layers.types import server_of

#: The lowest limits of a log: those of a few full steps.
LEAST_ENTRIES, LEAST_BYTES = 1_000, 16 * 1024 * 1024


def checked_limits(entries: Any, size: Any) -> tuple[int, int]:
    """Return the limits of a log; raise ImproperlyConfigured for wrong ones."""
    checked = _checked("log_entries", entries, LEAST_ENTRIES)
    return checked, _checked("log_bytes", size, LEAST_BYTES)


class Shard(NamedTuple):
    """The shard *name*, one of *names*, whose log has so many *entries* and bytes at most."""

    name: str
    names: tuple[str, ...]
    entries: int = LOG_ENTRIES
    size: int = LOG_BYTES

    def key(self, prefix: str) -> str:
        """Return the third key of each script, "" without other shards; see ``lib/log.lua``."""
        others = [name for name in self.names if name != self.name]
        if not others:
            return ""
        return f"{prefix}shards:{self.name}:{','.join(others)}:{self.entries}:{self.size}"

    def home_of(self, group: str) -> str:
        """Return the home of the history of *group*."""
        return home_of(group, self.names)

    def home_of_member(self, group: str, channel: str) -> str | int:
        """Return the home of an ordinary channel in *group*, 0 for a reply channel."""
        return 0 if server_of(channel) else home_of_member(group, channel, self.names)


def _checked(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ImproperlyConfigured(
            f"CONFIG[{name!r}] of CHANNEL_LAYERS must be a whole number from {least:,} on, not "
            f"{value!r}. Leave it out for the default."
        )
    return value
