"""Settings and a consumer with `@once`, whose first run of a message gets into trouble.

The text of a frame is `<trouble> <label>`. Each run is appended to the Redis list `ran`.
"""

import os
import signal
import threading

import redis
from django.db import transaction

from channels_workers import route
from channels_workers.message import Message
from channels_workers.once import once
from chat_project.settings import *  # noqa: F403
from chat_project.settings import DATABASES, REDIS_URL

CHANNEL_ROUTING = "tests.processes.once.channel_routing"

# A frozen consumer that has written nothing blocks nobody.
DATABASES["default"]["OPTIONS"]["transaction_mode"] = "DEFERRED"

RAN = "ran"


def empty() -> None:
    with redis.Redis.from_url(REDIS_URL) as client:
        client.flushall()


# os.kill() may stop another thread first, and this one would go on for a moment.


def kill() -> None:
    signal.pthread_kill(threading.get_ident(), signal.SIGKILL)


def freeze() -> None:
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


AFTER_THE_COMMIT = {"killed": kill, "emptied": empty, "frozen-between": freeze}


@once
def receive(message: Message) -> None:
    from chat.models import Room

    trouble, label = message["text"].split()
    with redis.Redis.from_url(REDIS_URL) as client:
        is_first = client.rpush(RAN, label) == 1
    if is_first and trouble == "frozen":
        freeze()
    Room.objects.create(name="room", label=f"{label}-{os.getpid()}")
    message.reply_channel.send({"text": label})
    if is_first and trouble in AFTER_THE_COMMIT:
        transaction.on_commit(AFTER_THE_COMMIT[trouble])


channel_routing = [route("websocket.receive", receive)]
