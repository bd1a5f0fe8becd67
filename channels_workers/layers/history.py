"""The history of groups: positions, what a join returns, and how much of a group is kept."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured

#: The limits of one history, if its glob names no others.
MESSAGES, BYTES, SECONDS = 100, 1_000_000, 3600

#: The largest limits of one history: messages, and seconds (a week).
MOST_MESSAGES, MOST_SECONDS = 10_000, 7 * 24 * 3600

#: How long at least an epoch and the last offset are kept, without messages (s): a day.
REMEMBERED = 24 * 3600

#: How many bytes a message counts beside its payload, and a history beside its messages.
MESSAGE_COST, HISTORY_COST = 100, 300

_is_position = re.compile(r"([0-9a-f]{16}):([0-9]{1,15})").fullmatch


class Position(NamedTuple):
    """A place in the history of a group: *offset* counts the messages of one *epoch*.

    Each message has the offset of the message before it plus 1. Another epoch means that the
    history has begun anew. As text it is ``<epoch>:<offset>``.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Return the position that *text* names, None if it is the text of no position."""
        found = _is_position(text)
        return cls(found[1], int(found[2])) if found else None


#: The position before all messages that are kept.
OLDEST = Position("", 0)


class Joined(NamedTuple):
    """The result of a join of a group with history.

    *position* is that of the newest message at the join. So many *replayed* messages reach the
    channel, in order, then each later one. *is_gap* is true if messages after the position asked
    for are missing: nothing is replayed then, and only later messages come.
    """

    position: Position
    is_gap: bool = False
    replayed: int = 0


class Limits(NamedTuple):
    """How much of a group is kept: the newest *messages*, with *size* (bytes) and age (s)."""

    messages: int
    size: int
    seconds: float


class Histories:
    """The option ``history`` of a layer: limits by globs of group names. The first match counts.

    *size* is the option ``history_bytes``: the limit of all histories together.
    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for anything else.
    """

    def __init__(self, option: Mapping[str, Mapping[str, Any]], size: int) -> None:
        self.size = _number("history_bytes", size, 2**40)
        self._limits = [
            (re.compile(fnmatch.translate(glob)).match, self._read(glob, wanted))
            for glob, wanted in option.items()
        ]
        #: How long a history is remembered after its last message or join (s).
        self.life = max([REMEMBERED, *(limits.seconds for _, limits in self._limits)])

    def _read(self, glob: str, wanted: Any) -> Limits:
        name = f"history[{glob!r}]"
        if not isinstance(wanted, Mapping) or wanted.keys() - {"messages", "bytes", "seconds"}:
            raise _wrong(name, "a dict with messages, bytes and seconds", wanted)
        most = self.size // 2
        return Limits(
            int(_number(f"{name}['messages']", wanted.get("messages", MESSAGES), MOST_MESSAGES)),
            int(_number(f"{name}['bytes']", wanted.get("bytes", min(BYTES, most)), most)),
            _number(f"{name}['seconds']", wanted.get("seconds", SECONDS), MOST_SECONDS),
        )

    def limits_of(self, group: str) -> Limits | None:
        """Return the limits of *group*, None if it has no history."""
        return next((limits for is_it, limits in self._limits if is_it(group)), None)


def make_histories(option: Any, size: int) -> Histories | None:
    """Return the histories of a layer, None if no group has one."""
    if not option:
        return None
    if not isinstance(option, Mapping):
        raise _wrong("history", "a dict of globs", option)
    return Histories(option, size)


def _number(name: str, value: Any, most: int) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= most:
        raise _wrong(name, f"a number above 0 and up to {most:,}", value)
    return value


def _wrong(name: str, expected: str, value: object) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{name} in the CONFIG of CHANNEL_LAYERS must be {expected}, not {value!r}."
    )
