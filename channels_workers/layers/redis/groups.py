"""Groups publishes, so that one call of their script carries out several; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import redis.exceptions

from channels_workers.layers.redis import hosts
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.resp import Arguments

#: The script that takes several messages.
PUBLISH = "publish"

#: The most messages in one call, about a millisecond of Redis, which serves nobody else meanwhile.
MOST = 100

#: How much the payloads of a call have at most, unless it has one message (bytes): large ones take
#: their time, too, and a script holds a copy of all.
MOST_BYTES = 262_144


class CallFailed(redis.exceptions.ResponseError):
    """A call for several requests failed: perhaps because of one of them."""


class Call(NamedTuple):
    """One call of a script, for *members*."""

    request: Request
    members: Sequence[Request]


def grouped(requests: Sequence[Request]) -> list[Call]:
    """Return the calls that carry out *requests* in their order."""
    calls: list[Call] = []
    publishes: list[Request] = []
    for request in requests:
        if request.script == PUBLISH and not request.alone and request.doubted_at is None:
            publishes.append(request)
            continue
        calls += _calls_for(publishes)
        calls.append(Call(request, (request,)))
        publishes = []
    calls += _calls_for(publishes)
    return calls


def _calls_for(publishes: Sequence[Request]) -> Iterator[Call]:
    first = size = 0
    for at, request in enumerate(publishes):
        added = sum([len(each) for each in request.arguments if isinstance(each, bytes)])
        if at - first == MOST or (at > first and size + added > MOST_BYTES):
            yield _call_for(publishes[first:at])
            first, size = at, 0
        size += added
    if publishes:
        yield _call_for(publishes[first:])


def _call_for(members: Sequence[Request]) -> Call:
    if len(members) == 1:
        return Call(members[0], members)
    arguments: Arguments = [*chain.from_iterable([each.arguments for each in members])]
    return Call(Request(PUBLISH, arguments, in_epoch=True), members)


def ungrouped(calls: Sequence[Call], replies: Sequence[Any]) -> list[Any]:
    """Return the reply to each request in the *replies* to *calls*."""
    found: list[Any] = []
    for (_, members), reply in zip(calls, replies, strict=True):
        if len(members) == 1:
            found.append(reply)
        elif isinstance(reply, list):
            found += reply
        else:
            found += [_failure(reply, members)] * len(members)
    return found


def _failure(error: Exception, members: Sequence[Request]) -> Exception:
    """Return the error of a call for several; the next ones carry out each of them alone."""
    if hosts.is_temporary(error) or isinstance(error, redis.exceptions.NoScriptError):
        return error
    for member in members:
        member.alone = True
    return CallFailed(str(error))
