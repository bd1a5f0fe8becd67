"""Why a request of a fallback transport is not answered as its client wants."""

from __future__ import annotations


class Refused(Exception):
    """The answer has this *status*, and the text as its error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Stopping(Exception):
    """This server stops, and waits for other servers no longer."""


class Busy(Exception):
    """There are too many sockets here, or too many requests wait for other servers."""


def bad_request(text: str) -> Refused:
    """Return the refusal of what no client of ours sends; *text* says what is wrong."""
    return Refused(400, text)


#: There is no such socket, or no longer: its client opens another.
GONE = 410

#: A newer request reads the socket.
REPLACED = 409
