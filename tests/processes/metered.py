"""Settings, with LIMITS (JSON) and metrics, and the consumers of a socket.

A handshake to `/deny` is refused, one to `/never` is not answered, all others are accepted. What
frames do: `close 3001` closes with that code, `twice x` sends `x` two times, `work` takes
some time. All others come back at once.
"""

from threading import Event

from channels_workers import route
from channels_workers.exceptions import DenyConnection
from channels_workers.message import Message
from chat_project.settings import MIDDLEWARE as OF_THE_CHAT
from tests.processes.limits import *  # noqa: F403

MIDDLEWARE = OF_THE_CHAT  # or checks would stop a worker
#: How long `work` takes (s).
WORK = 0.02

CHANNEL_ROUTING = "tests.processes.metered.channel_routing"


def connect(message: Message) -> None:
    if message["path"] == "/deny":
        raise DenyConnection("it asks for that")
    if message["path"] != "/never":
        message.reply_channel.send({"accept": True})


def receive(message: Message) -> None:
    text, data = message.content.get("text"), message.content.get("bytes")
    word, _, rest = (text or "").partition(" ")
    if word == "close":
        message.reply_channel.send({"close": int(rest)})
    elif word == "twice":
        message.reply_channel.send({"text": rest})
        message.reply_channel.send({"text": rest})
    elif text is not None:
        if word == "work":
            Event().wait(WORK)
        message.reply_channel.send({"text": text})
    else:
        message.reply_channel.send({"bytes": data})


channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
