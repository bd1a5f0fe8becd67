"""Settings and consumers of sockets that outlive their connections.

``/echo/`` answers, and so does ``/wait/`` after a row of the Redis list `go`. All sockets are in
the group `room`. What runs is appended to the Redis list `seen`. Everything is logged, with the
servers' access logs, and no handler hides anything.
"""

import json
import os

import redis

from channels_workers import Group, route
from channels_workers.message import Message
from channels_workers.sessions import channel_session
from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS as COMMON
from chat_project.settings import REDIS_URL
from tests.processes.tokens import LOGGING

__all__ = ["LOGGING"]

CHANNEL_ROUTING = "tests.processes.resumable.channel_routing"
CHANNEL_WORKERS = {
    **COMMON,
    "RESUME_TIME": int(os.environ.get("RESUME_TIME", "60")),
    "PARKED": int(os.environ.get("PARKED", "10000")),
}
GO, SEEN = "go", "seen"


def note(what: str, message: Message, **more: object) -> None:
    content = {"what": what, "path": message["path"], "name": message.reply_channel.name, **more}
    with redis.Redis.from_url(REDIS_URL) as client:
        client.rpush(SEEN, json.dumps(content))


@channel_session
def connect(message: Message) -> None:
    message.channel_session["texts"] = []
    Group("room").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session
def receive(message: Message) -> None:
    if message["path"] == "/wait/":
        with redis.Redis.from_url(REDIS_URL) as client:
            client.blpop([GO], timeout=60)
    message.channel_session["texts"] = [*message.channel_session["texts"], message["text"]]
    message.reply_channel.send({"text": f"echo {message['text']}"})


@channel_session
def resume(message: Message) -> None:
    note("resume", message)


@channel_session
def disconnect(message: Message) -> None:
    note("disconnect", message, code=message["code"], texts=message.channel_session["texts"])


channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive),
    route("websocket.resume", resume),
    route("websocket.disconnect", disconnect),
]
