"""Settings and consumers of sockets whose users come by tokens.

``/echo/`` answers with the user's name and the text, ``/first/`` does so after a first frame with
the token, ``/wait/`` after a row of the Redis list `go` lets the consumer go on. Everything is
logged, with the servers' access logs, and no handler hides anything. When a socket disconnects, its
user and code are appended to the Redis list `ended`.
"""

import os

import redis

from channels_workers import route
from channels_workers.message import Message
from channels_workers.tokens import token_user
from chat_project.settings import *  # noqa: F403
from chat_project.settings import REDIS_URL

CHANNEL_ROUTING = "tests.processes.tokens.channel_routing"
SECRET = "a secret of the tests, of 32 bytes and more"
CHANNEL_TOKENS = {
    "VALIDATORS": ["channels_workers.jwt.validate", "channels_workers.tokens.signed.validate"],
    "FIRST_FRAME": ["/first/"],
    "FIRST_FRAME_TIMEOUT": float(os.environ.get("FIRST_FRAME_TIMEOUT", "5")),
    "JWT": {"KEYS": [{"ALGORITHM": "HS256", "KEY": SECRET}]},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "DEBUG"},
    "loggers": {
        "uvicorn": {"handlers": [], "propagate": True, "level": "DEBUG"},
        "uvicorn.access": {"handlers": [], "propagate": True, "level": "DEBUG"},
        "uvicorn.error": {"level": "DEBUG"},
    },
}
ENDED, GO = "ended", "go"


@token_user
def connect(message: Message) -> None:
    message.reply_channel.send({"accept": True})


@token_user
def receive(message: Message) -> None:
    if message["path"] == "/wait/":
        with redis.Redis.from_url(REDIS_URL) as client:
            client.blpop([GO], timeout=60)
    message.reply_channel.send({"text": f"{message.user.get_username()}: {message['text']}"})


@token_user
def disconnect(message: Message) -> None:
    with redis.Redis.from_url(REDIS_URL) as client:
        client.rpush(ENDED, f"{message.user.get_username()} {message['code']}")


channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive),
    route("websocket.disconnect", disconnect),
]
