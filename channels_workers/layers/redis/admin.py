"""The admin side of the Redis layer: cleanup after dead processes, dead letters, status."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import replace
from typing import Any

from channels_workers.conf import configuration
from channels_workers.layers.admin import LayerAdmin
from channels_workers.layers.aside import Aside
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.kept import log_crowded
from channels_workers.layers.redis import wire
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.registration import Registrations
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.redis.status import read_about, read_status
from channels_workers.layers.status import Status
from channels_workers.layers.types import (
    DUE_AT_ONCE,
    FULL_PAUSE,
    DeadLetter,
    DelayedMessage,
    Due,
    NewDeadLetter,
    Refusals,
    Unreadable,
)
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How many messages or connections of a dead process are cleaned up in one request.
CLEANED = 200

#: How many dead processes are remembered, so that one that comes back learns of its death.
DEAD_REMEMBERED = 10_000

CURE = (
    "Everything else goes on. Another program writes to the keys of this layer; stop that, and see "
    "`manage.py deadletters aside`."
)


#: Matches the ids that Redis gives to the entries of a stream: two numbers of 64 bits.
_is_id = re.compile(r"(\d{1,20})-(\d{1,20})").fullmatch


def is_entry_id(text: str) -> bool:
    """Say whether an entry of a stream may have the id *text*."""
    found = _is_id(text) if text.isascii() else None
    return found is not None and all(int(part) < 2**64 for part in found.groups())


class RedisAdmin(LayerAdmin):
    """The admin side of a layer in the Redis of *client*; *refusals* refuse connections.

    *registrations* are those of this process.
    """

    def __init__(self, client: Client, refusals: Refusals, registrations: Registrations) -> None:
        self.client = client
        self._registrations = registrations
        self._refusals = refusals
        self._aside = Aside(logger, CURE)
        #: The duties of a worker process share one connection.
        self._turn = threading.Lock()

    def _call(self, request: Request) -> Any:
        with self._turn:
            return self.client.call(request)

    def _read(self, command: str, name: str, kind: str) -> Any:
        with self._turn:
            return self.client.read(command, name, kind)

    # Cleaning up after dead processes

    def processes(self) -> dict[str, int]:
        """Return the heartbeat counter of each registered process."""
        found: dict[bytes, bytes] = self._read("HGETALL", "processes", "hash")
        return wire.read_counters([each for pair in found.items() for each in pair])

    def lagging(self) -> dict[str, int]:
        """Return the heartbeat counter of each server that does not keep up with its inbox."""
        limits = configuration()
        found = self._call(Request("lagging", [limits.INBOX_ENTRIES, limits.INBOX_BYTES]))
        return wire.read_counters(found)

    def orphans(self) -> set[str]:
        """Return unknown processes that hold messages.

        Reapers call this rarely, so it also logs what scripts have set aside since.
        """
        for where in self._call(Request("unlogged", [], repeatable=False)):
            found = Unreadable(where.decode("utf-8", "backslashreplace"), "The data are foreign.")
            self._aside.add(found, fields("unreadable"))
        return set(map(wire.read_name, self._call(Request("orphans", []))))

    def cut_off(self) -> dict[str, int]:
        """Return the heartbeat counter of each registered process whose lifeline is cut.

        There are none to see for a while after the lifeline of this process was cut too.
        """
        if not self._registrations.lifeline.sees_others():
            return {}
        return wire.read_counters(self._call(Request("cut_off", [])))

    def mark_dead(self, process: str, counter: int, *, is_cut_off: bool = False) -> bool:
        """Declare *process* dead, if its heartbeat counter still is *counter*; return whether."""
        name, cut = wire.written_name(process), "cut" if is_cut_off else ""
        return bool(self._call(Request("mark_dead", [name, counter, DEAD_REMEMBERED, cut])))

    def kind_of(self, process: str) -> str:
        """Return the kind of *process*."""
        name = self.client.key("process_info"), wire.written_name(process)
        with self._turn, self.client.explained():
            found: Any = self.client.redis.hget(*name)
        about = read_about(found) if found else None
        return about.kind if about else ""

    def awaiting_cleanup(self) -> set[str]:
        """Return the dead processes whose cleanup has not finished."""
        found: set[bytes] = self._read("SMEMBERS", "awaiting_cleanup", "set")
        return set(map(wire.read_name, found))

    def clean_up(self, process: str) -> list[NewDeadLetter]:
        """Clean up after a dead process, in small steps; return new dead letters."""
        limits, name = configuration(), wire.written_name(process)
        rest: Arguments = [CLEANED, limits.DELIVERIES, limits.DEAD_LETTERS, *self._refusals]
        rest.append(limits.PARKED)
        cursor, dead_letters, ended = b"", list[bytes](), 0
        while cursor != b"done":
            cursor, *found = self._call(Request("clean_up", [name, cursor, *rest]))
            dead_letters += found
            ended += int(cursor.partition(b"ended ")[2] or 0)
        log_crowded(ended)
        names = [each.decode("utf-8", "backslashreplace") for each in dead_letters]
        return [NewDeadLetter(*pair) for pair in zip(names[::2], names[1::2], strict=True)]

    # Dead letters

    def dead_letters(
        self, newest: int | None = None, before: str | None = None
    ) -> list[DeadLetter]:
        """Return the dead letters, oldest first: all, or the *newest* of them."""
        if before is not None and not is_entry_id(before):
            raise ValueError(f"{before!r} is no id of a dead letter, such as 1795260708647-0.")
        end = "+" if before is None else f"({before}"
        if before == "0-0":  # nothing is older, and Redis refuses the range
            return []
        limit = () if newest is None else ("COUNT", str(newest))
        reply = self.client.read("XREVRANGE", "dead_letters", "stream", end, "-", *limit)
        return [wire.read_dead_letter(entry, fields) for entry, fields in reversed(reply)]

    def dead_letter(self, letter: str) -> DeadLetter | None:
        """Return the dead letter with the id *letter*, None if it does not exist."""
        if not is_entry_id(letter):
            return None
        reply = self.client.read("XRANGE", "dead_letters", "stream", letter, letter)
        return next((wire.read_dead_letter(*each) for each in reply), None)

    def _send_again(self, letter: DeadLetter) -> bool:
        message = letter.message
        arguments: Arguments = [letter.id, message.channel, message.id, message.payload]
        return bool(self.client.call(Request("retry", arguments)))

    def drop(self, letter: str) -> bool:
        """Delete a dead letter."""
        if not is_entry_id(letter):
            return False
        with self.client.explained():
            return bool(self.client.redis.xdel(self.client.key("dead_letters"), letter))

    # Delayed messages

    def send_due(self, most: int = DUE_AT_ONCE) -> Due:
        """Send up to *most* due messages."""
        pause = round(FULL_PAUSE * 1_000_000)
        return wire.read_due(self._call(Request("send_due", [most, pause], repeatable=False)))

    def delayed(self, limit: int = 1000) -> list[DelayedMessage]:
        """Return the next *limit* delayed messages."""
        return wire.read_delayed(self._call(Request("read_delayed", [limit])))

    def cancel(self, message: str) -> bool:
        """Delete a delayed message."""
        return bool(self._call(Request("cancel_delayed", [message], repeatable=False)))

    # The state of the layer

    def listened(self) -> set[str]:
        """Return the channels that live workers listen to."""
        known: dict[bytes, bytes] = self._read("HGETALL", "process_info", "hash")
        alive: dict[bytes, bytes] = self._read("HGETALL", "processes", "hash")
        found = (read_about(known[process]) for process in known.keys() & alive.keys())
        workers = (about for about in found if about is not None and about.kind == "worker")
        return {channel for about in workers for channel in about.channels}

    def set_aside(self) -> list[Unreadable]:
        """Return the newest notes of unreadable data."""
        reply = self.client.read("XRANGE", "aside", "stream", "-", "+")
        return [wire.read_note(fields) for _, fields in reply]

    def status(self) -> Status:
        """Return the processes, channels and counts of the layer."""
        delayed = self._call(Request("read_delayed", [1]))
        next_due = next((each.due for each in wire.read_delayed(delayed)), None)
        with self.client.explained():
            status = read_status(self.client.redis, self.client.prefix)
        return replace(status, delayed=delayed[0], next_due=next_due, format=FORMAT_VERSION)
