"""Handshakes as clients send them: one look at the whole head, in place of an HTTP parser.

Server programs parse each handshake twice: as an HTTP request, and again as that of a WebSocket.
The second one checks all that the first did, except what is checked here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: Larger heads go the long way: within this size each line fits into the limits of all servers.
LARGEST = 8 * 1024

#: Matches the head of a GET without a folded line: the target, and the lines of headers.
_is_head = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)+)\r\n"
).fullmatch

#: Headers that make a request more than a head.
MORE = frozenset((b"content-length", b"transfer-encoding", b"expect"))


class Upgrade(NamedTuple):
    """A handshake: its *target*, and its *head*, with the names of headers in lower case."""

    target: bytes
    head: bytes


def read_upgrade(data: bytes) -> Upgrade | None:
    """Return the handshake that *data* is, whole and nothing more; None for all else.

    None too for a handshake with a repeated header: servers differ in what they make of it.
    """
    found = _is_head(data) if len(data) <= LARGEST else None
    if found is None:
        return None
    target, lines = found.groups()
    headers: dict[bytes, bytes] = {}
    count = 0
    for line in lines.split(b"\r\n"):
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip(b" \t")
        count += 1
    if len(headers) != count or not _asks_for_upgrade(headers):
        return None
    del headers[b""]  # behind the last line
    rest = b"".join([b"%b: %b\r\n" % header for header in headers.items()])
    return Upgrade(target, b"GET %b HTTP/1.1\r\n%b\r\n" % (target, rest))


def _asks_for_upgrade(headers: dict[bytes, bytes]) -> bool:
    if headers.get(b"upgrade", b"").lower() != b"websocket" or b"host" not in headers:
        return False
    options = headers.get(b"connection", b"").lower()
    is_upgrade = options == b"upgrade" or b"upgrade" in map(bytes.strip, options.split(b","))
    return is_upgrade and MORE.isdisjoint(headers)
