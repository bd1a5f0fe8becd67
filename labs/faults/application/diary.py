"""Diaries: each process logs its consumer runs to a file that survives a crash.

Each run of a consumer has a line before its work and one after it. A line is a single `write` to a
file opened with O_APPEND, so it is either complete or absent.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from channels_workers.message import Message
from labs.faults.application.settings import given


@cache
def _file(process: int) -> int:
    path = Path(given["folder"]) / f"{process}.diary"
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def _write(what: str, message: Message, key: str, number: int | None) -> None:
    line = {
        "what": what,
        "at": time.monotonic(),
        "process": os.getpid(),
        "thread": threading.current_thread().name,
        "channel": message.channel.name.rpartition(".")[2],
        "socket": message["reply_channel"],
        "order": message["order"],
        "id": message.id,
        "key": key,
        "number": number,
    }
    os.write(_file(os.getpid()), json.dumps(line).encode() + b"\n")


@contextmanager
def entered(message: Message, key: str, number: int | None = None) -> Iterator[None]:
    """Write the lines before and after a run. *number* is the sender's message number."""
    _write("before", message, key, number)
    try:
        yield
    finally:
        _write("after", message, key, number)
