"""The log lines about the handshakes and replies of sockets, each with its cure."""

from __future__ import annotations

NO_WORKER = (
    "No worker answered the handshake of %s within %s s. Is `manage.py runworker` running, does it "
    "listen to websocket.connect, and does its database answer?"
)
NO_WORKER_HERE = (
    "No worker answered the handshake of %s within %s s. The channel layer is in the memory of "
    "this process, so no `manage.py runworker` can answer. Use `manage.py runserver`, "
    "which has workers, or set CHANNEL_LAYERS to channels_workers.layers.redis.RedisChannelLayer"
)
NO_ANSWER = (
    "The connect consumer of %s returned without an answer. Let it send "
    '{"accept": True} to message.reply_channel or raise DenyConnection, or set '
    'CHANNEL_WORKERS["CONNECT"] = "accept". Refused after %s s.'
)
DENIED = "Refused the handshake of %s: a worker denied it; the log of the workers says why"
BAD_REPLY = "A reply to %s cannot go out as it is. It %s"
DENIED_AS = "Refused the handshake of %s: %s"
NOT_OFFERED = (
    "The connect consumer of %s accepts with the subprotocol %s, and its client offered %s. "
    "Choose one of message['subprotocols'], or none. Refused."
)

TOO_MANY_HELD = (
    "Refusing %s: %d messages to its groups wait for the answer of its connect consumer (%s "
    "exceeded)"
)
REFUSED_TO_RESUME = (
    "Refused to resume %s: its consumer of websocket.resume denied it, or failed; the log of the "
    "workers says why. The connection ends"
)
