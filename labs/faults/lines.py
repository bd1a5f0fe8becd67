"""The connections of one process to Redis."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from labs.harness.redis_server import RedisServer

_socket = re.compile(r"socket:\[(\d+)\]").fullmatch


def ports_of(pid: int) -> set[int]:
    """Return the own ports of the TCP connections of a process."""
    inodes = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # it was closed
            if found := _socket(str(file.readlink())):
                inodes.add(found[1])
    rows = (line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


def cut(redis: RedisServer, pid: int) -> int:
    """Let Redis close all connections of a process, and return how many there were."""
    ports = ports_of(pid)
    with redis.client() as client:
        own = [
            str(each["addr"])
            for each in client.client_list()
            if int(str(each["addr"]).rpartition(":")[2]) in ports
        ]
        return sum(int(client.client_kill_filter(addr=address)) for address in own)
