"""Commits of several deliveries: the calls of ``commit.lua``, and their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from channels_workers.exceptions import ChannelFull
from channels_workers.layers.history import Histories
from channels_workers.layers.redis import wire
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.requests import Request, encode_operations
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.redis.shard import Shard
from channels_workers.layers.types import Committed, Finished, GroupSend, may_be_refused

#: How much one script commits at most (bytes), and what an operation counts beside its payload: no
#: other process waits long for it, and no inbox entry gets large. A larger commit comes alone.
MERGED_SIZE, OPERATION_COST = 65_536, 256

#: What a send to a group counts: a server delivers those of one entry to all members without a turn
#: for others.
GROUP_COST = MERGED_SIZE // 8


def requests(
    finished: Sequence[Finished],
    capacity_of: Callable[[str], int],
    histories: Histories | None = None,
    shard: Shard | None = None,
) -> list[Request]:
    """Return the requests that commit *finished*, several in each; their replies are lists.

    One whose sends a full channel may refuse has a request of its own.
    """
    found: list[Request] = []
    merged, left = None, 0
    for each in finished:
        arguments, size = _encode(each, capacity_of, histories, shard)
        left -= size
        is_alone = len(finished) > 1 and may_be_refused(each.operations)
        if merged is None or left < 0 or is_alone:
            made = Request("commit", arguments)
            found.append(made)
            merged, left = None if is_alone else made, MERGED_SIZE - size
        else:
            merged.arguments += arguments
            merged.messages += 1
    return found


def _encode(
    finished: Finished,
    capacity_of: Callable[[str], int],
    histories: Histories | None,
    shard: Shard | None,
) -> tuple[Arguments, int]:
    """Return the arguments for one delivery, and what it counts of :data:`MERGED_SIZE`."""
    delivery, operations, session, ends, _ = finished
    saved, payload = session or ("", b"")
    encoded = encode_operations(operations, capacity_of, histories, shard)
    arguments: Arguments = [
        9 + len(encoded),
        delivery.channel,
        delivery.token,
        delivery.consumer,
        delivery.id,
        delivery.reply_channel or "",
        delivery.order,
        saved,
        payload,
        "ends" if ends else "",
        *encoded,
    ]
    size = len(payload)
    for each in operations:
        size += len(each[1])
        size += GROUP_COST if each.__class__ is GroupSend else OPERATION_COST
    return arguments, size


def results(
    sent: Sequence[Request],
    replies: Sequence[Any],
    client: Client,
    capacity_of: Callable[[str], int],
) -> list[Committed | Exception]:
    """Return the result or error of each commit of the requests *sent*."""
    found: list[Committed | Exception] = []
    for request, reply in zip(sent, replies, strict=True):
        if isinstance(reply, Exception):
            found += [client.explanation(reply)] * request.messages
        elif wire.COMMITTED.keys() >= set(reply):
            found += [wire.COMMITTED[each] for each in reply]
        else:
            found += [_result(each, capacity_of) for each in reply]
    return found


def _result(reply: bytes, capacity_of: Callable[[str], int]) -> Committed | Exception:
    try:
        return wire.read_committed(reply, capacity_of)
    except (ChannelFull, RuntimeError) as error:  # the caller handles it
        return error
