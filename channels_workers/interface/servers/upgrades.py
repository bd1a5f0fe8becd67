"""Handshakes as clients send them: one look at the whole head, in place of an HTTP parser.

Server programs parse each handshake twice: as an HTTP request, and again as that of a WebSocket.
The second one checks all that the first did, except what is checked here.
"""

from __future__ import annotations

import re

#: Larger heads go the long way: within this size each line fits into the limits of all servers.
LARGEST = 8 * 1024

#: How many headers a handshake may have; more go the long way.
MOST_HEADERS = 64

#: Matches the head of a GET without a folded line: the target, and the lines of headers. ASCII
#: only: autobahn takes 0x85 for the end of a line, and libraries differ in how they decode others.
_is_head = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*\r\n)+)\r\n"
).fullmatch

#: Headers that make a request more than a head.
MORE = frozenset((b"content-length", b"transfer-encoding", b"expect"))


class Upgrade:
    """A handshake: its *target*, and its *headers* with names in lower case, none repeated."""

    __slots__ = ("headers", "target")

    def __init__(self, target: bytes, headers: dict[bytes, bytes]) -> None:
        self.target = target
        self.headers = headers

    @property
    def head(self) -> bytes:
        """The whole head."""
        lines = b"".join([b"%b: %b\r\n" % header for header in self.headers.items()])
        return b"GET %b HTTP/1.1\r\n%b\r\n" % (self.target, lines)


def read_upgrade(data: bytes) -> Upgrade | None:
    """Return the handshake that *data* is, whole and nothing more; None for all else.

    None too for a handshake with a repeated header: servers differ in what they make of it.
    """
    found = _is_head(data) if len(data) <= LARGEST else None
    if found is None:
        return None
    target, lines = found.groups()
    given = lines[:-2].split(b"\r\n")
    headers: dict[bytes, bytes] = {}
    for line in given:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip(b" \t")
    if len(headers) != len(given) or len(given) > MOST_HEADERS:
        return None
    return Upgrade(target, headers) if _asks_for_upgrade(headers) else None


def _asks_for_upgrade(headers: dict[bytes, bytes]) -> bool:
    if headers.get(b"upgrade", b"").lower() != b"websocket" or b"host" not in headers:
        return False
    options = headers.get(b"connection", b"").lower()
    is_upgrade = options == b"upgrade" or b"upgrade" in map(bytes.strip, options.split(b","))
    return is_upgrade and MORE.isdisjoint(headers)
