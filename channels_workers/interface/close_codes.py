"""The codes with which sockets end."""

from __future__ import annotations

#: Close codes of our own; the docs explain each to operators and to authors of clients.
TOO_MANY_FRAMES, FRAME_TOO_LARGE, READS_TOO_SLOWLY, CONSUMER_FAILED = 4008, 4009, 4010, 4011
CONNECTION_LOST, SERVER_STOPS, COME_BACK_LATER = 4012, 4013, 4014
TOKEN_EXPIRED, TOKEN_REFUSED, REPLACED = 4020, 4021, 4022

#: The client closes for good: it does not come back to resume (RFC 6455, 7.4.1).
FOR_GOOD = (1000, 1001)

#: The server stops (RFC 6455, 7.4.1).
GOING_AWAY = 1001

#: The code of a client that leaves without a close frame (RFC 6455, 7.4.1).
ABNORMAL = 1006
