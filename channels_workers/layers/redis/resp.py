"""The protocol of Redis, by hiredis: the bytes of commands, and the meaning of replies; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import hiredis
import redis.exceptions

from channels_workers.layers.redis.hosts import plain

Argument = str | bytes | int
Arguments = list[Argument]

#: A command with its arguments.
Command = tuple[Argument, ...]

#: The result of a reader while the next reply is incomplete.
INCOMPLETE = object()

#: The command that shows the run id of a Redis, which is new at each start.
ASK_RUN = ("INFO", "server")

#: Stands for the run id if the user may not ask for it.
UNKNOWN_RUN = "?"

#: Returns the bytes of one command; TypeError or UnicodeEncodeError for one that has none.
#: How a node of a cluster says that it does not own the slot, or does not serve it now.
ELSEWHERE = ("MOVED ", "ASK ", "CLUSTERDOWN")

pack: Any = hiredis.pack_command  # its types are too narrow


def packed(commands: Iterable[Command]) -> bytes:
    """Return the bytes of *commands*."""
    return b"".join(map(pack, commands))


def new_reader() -> Any:
    """Return a parser of replies."""
    return hiredis.Reader(replyError=error_of, notEnoughData=INCOMPLETE)


def error_of(text: str) -> redis.exceptions.ResponseError:
    """Return the exception for an error reply."""
    text = plain(text)
    if text.startswith("NOSCRIPT"):
        return redis.exceptions.NoScriptError(text)
    if text.startswith(("READONLY", *ELSEWHERE)):  # a pipeline then connects anew
        return redis.exceptions.ReadOnlyError(text)
    return redis.exceptions.ResponseError(text)


def raised(reply: Any) -> Any:
    """Return *reply*; raise it if it is an error."""
    if isinstance(reply, Exception):
        raise reply
    return reply


def run_of(info: Any) -> str:
    """Return the run id in the reply to :data:`ASK_RUN`."""
    found = re.search(rb"run_id:(\w+)", info) if isinstance(info, bytes) else None
    return found[1].decode() if found else UNKNOWN_RUN
