"""The requests of the Redis layer: one call of a script each; no I/O."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from channels_workers.layers.history import OLDEST, Histories, Limits, Position
from channels_workers.layers.redis import marks
from channels_workers.layers.redis.resp import Argument, Arguments, Command
from channels_workers.layers.redis.scripts import script
from channels_workers.layers.redis.shard import Shard
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    DELAY,
    KEPT_MARK,
    Delivery,
    GroupSend,
    Join,
    Leave,
    Operation,
    ProcessInfo,
    Resume,
    Send,
    SendLater,
    Unreadable,
    new_id,
    server_of,
)

logger = logging.getLogger(__name__)

#: Called once with the result of a request, or with an error.
Done = Callable[[Any], object]


class Epoch(Protocol):
    """The epoch that a server knows, and its heartbeat counter."""

    epoch: str
    counter: int


def ignore(result: Any) -> None:
    """Ignore a result."""


def note_untold(result: Any) -> None:
    """Log that a consumer was not told something; it asks again."""
    if isinstance(result, Exception):
        logger.debug("A consumer was not told: %s", result)


@dataclass(slots=True)
class Request:
    """One call of a script.

    A *repeatable* request may be sent again after a lost reply: a second run has no effect. An
    *ordered* request waits for those before it. *in_epoch* appends the epoch that the server knows
    to the arguments. *read* turns the reply into the result, or raises.
    """

    script: str
    arguments: Arguments
    repeatable: bool = True
    ordered: bool = True
    in_epoch: bool = False
    read: Callable[[Any], Any] | None = None
    #: How many messages it commits, if it does.
    messages: int = 1
    #: Gets the result, if a writer sends the request.
    done: Done = ignore
    #: The result was delivered, or is not wanted any more: the request is not written again.
    is_over: bool = False
    #: A call for this and others failed, so that it is written without them.
    alone: bool = False
    #: Epoch and counter at which Redis first reported missing data. If a later heartbeat disproves
    #: the loss, the reply is final.
    doubted_at: tuple[str, int] | None = None

    def command(
        self, prefix: str, run: str = "", known: Epoch | None = None, shards: str = ""
    ) -> Command:
        """Return the command that runs the script, which Redis must know already.

        *run* is the run id of the Redis behind the connection, "?" if its user may not ask for it,
        or "" if it is unknown; see ``lib/epoch.lua``. *known* has the epoch for *in_epoch*.
        *shards* tells the script of the other shards, if there are several; see ``lib/log.lua``.
        """
        command: Command
        if shards:
            keys = (3, prefix, f"{prefix}run:{run}", shards)
            command = ("EVALSHA", script(self.script, True).sha, *keys, *self.arguments)
        else:
            known_as = (2, prefix, f"{prefix}run:{run}") if run else (1, prefix)
            command = ("EVALSHA", script(self.script).sha, *known_as, *self.arguments)
        if not self.in_epoch or known is None:
            return command
        epoch, counter = self.doubted_at or ("", 0)
        is_disproved = epoch == known.epoch and known.counter > counter
        return (*command, "" if is_disproved else known.epoch)

    def doubt(self, known: Epoch) -> None:
        """Note that Redis reported missing data."""
        if self.doubted_at is None or self.doubted_at[0] != known.epoch:
            self.doubted_at = (known.epoch, known.counter)


def load_scripts(names: Iterable[str], shards: str = "") -> list[Command]:
    """Return the commands that load the scripts *names* into Redis; *shards* as in a request."""
    return [("SCRIPT", "LOAD", script(name, bool(shards)).source) for name in names]


def encode_operations(
    operations: Sequence[Operation],
    capacity_of: Callable[[str], int],
    histories: Histories | None = None,
    shard: Shard | None = None,
) -> Arguments:
    """Return *operations* as arguments for ``lib/outbox.lua``, four each, on *shard* if given."""
    arguments: Arguments = []
    for operation in operations:
        match operation:
            case Send(channel, payload):
                arguments += ("s", channel, payload, capacity_of(channel))
            case GroupSend(group, payload):
                limits = None if histories is None else histories.limits_of(group)
                if histories is None or limits is None:
                    arguments += ("g", group, payload, capacity_of(""))
                else:
                    home = f"{shard.home_of(group)}@" if shard else ""
                    rest = f"{home}{capacity_of('')}:{encode_limits(limits, histories)}"
                    arguments += ("h", group, payload, rest)
            case SendLater(channel, payload, delay, message_id):
                capacities = f"{capacity_of(DELAY)}:{capacity_of(channel)}"
                rest = f"{capacities}:{round(delay * 1_000_000)}:{message_id}"
                arguments += ("d", channel, payload, rest)
            case Join(group, channel):
                at = shard.home_of_member(group, channel) if shard else 0
                arguments += ("j", group, channel, at)
            case Leave(group, channel):
                arguments += ("l", group, channel, 0)
    return arguments


def encode_limits(limits: Limits, histories: Histories) -> str:
    """Return the limits of a history, and of all, as ``lib/history.lua`` reads them."""
    milliseconds = (max(1, round(each * 1000)) for each in (limits.seconds, histories.life))
    age, life = milliseconds
    return f"{limits.messages}:{limits.size}:{age}:{int(histories.size)}:{life}"


def resume(
    wanted: Resume,
    delivery: Delivery | None,
    histories: Histories,
    most_bytes: int,
    seed: str = "",
) -> Request:
    """Return the request that joins a group with history; for *seed* see ``resume.lua``.

    Nothing is replayed into an inbox with more than *most_bytes*.
    """
    held = (delivery.channel, delivery.token, delivery.consumer) if delivery else ("", "", "")
    limits = encode_limits(wanted.limits, histories)
    target = (wanted.group, wanted.channel, _encode_since(wanted.since))
    return Request("resume", [*held, *target, limits, seed or new_id(), most_bytes])


def open_history(group: str, limits: Limits, histories: Histories) -> Request:
    """Return the request that begins the history of *group* on its home shard."""
    return Request("open_history", [group, encode_limits(limits, histories), new_id()])


def _encode_since(since: Position | str | None) -> str:
    if since is None:
        return "new"
    if since == OLDEST:
        return ""
    return "none" if isinstance(since, str) else str(since)


def connected(reply_channels: Iterable[str], size: int) -> Iterator[Request]:
    """Yield requests that look up *reply_channels*, up to *size* of a server in each."""
    known: dict[str, list[Argument]] = {}
    for reply in set(reply_channels):
        if (server := server_of(reply)) is not None:
            known.setdefault("" if KEPT_MARK in reply else server, []).append(reply)
    for server, replies in known.items():
        for at in range(0, len(replies), size):
            yield Request("connected", [server, *replies[at : at + size]])


def set_aside(process: str, found: Iterable[Unreadable]) -> Request:
    """Return the request that keeps notes of unreadable data found by *process*."""
    notes: Arguments = [process]
    for where, _, value in found:
        notes += (where, value[:1000])
    return Request("set_aside", notes, repeatable=False, ordered=False)


def restore(server: Server, epoch: str, about: ProcessInfo, size: int) -> Iterator[Request]:
    """Yield requests that register *server* again, with up to *size* connections in each."""
    connections = list(server.snapshots())
    for at in range(0, max(1, len(connections)), size):
        first, last = at == 0, at + size >= len(connections)
        arguments: Arguments = [server.id, epoch, json.dumps(about._asdict())]
        arguments += (f"first{marks.written(server.heard)}" if first else "",)
        arguments += ("last" if last else "",)
        arguments.append(" ".join(server.groups) if first else "")
        for reply, snapshot in connections[at : at + size]:
            channel, payload = snapshot.pending or ("", b"")
            arguments += (reply, snapshot.order, channel, payload, snapshot.disconnect_payload)
            arguments += (server.sessions.get(reply, b""),)
            arguments.append("" if snapshot.code is None else snapshot.code)
        yield Request("restore", arguments)


def republish(server: Server, size: int) -> Iterator[Request]:
    """Yield requests that publish the pending messages of *server* again, after a flush.

    They forget requests that must not be published again.
    """
    pending: list[Arguments] = [[reply, "", "", b""] for reply in server.unrestored()]
    parked = set(server.kept.parked())
    for reply, snapshot in server.snapshots():
        if snapshot.pending or snapshot.code or reply in parked:
            pending.append([reply, snapshot.order, *(snapshot.pending or ("", b""))])
    for at in range(0, len(pending), size):
        yield Request("republish", [each for part in pending[at : at + size] for each in part])
