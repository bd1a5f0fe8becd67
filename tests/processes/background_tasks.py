"""Tasks that say in Redis when they begin and end."""

import os
import signal
import threading
from typing import Any

import redis
from django.conf import settings
from django.db import transaction

from channels_workers import Channel, route
from channels_workers.message import Message
from channels_workers.once import once
from chat.models import Room
from tests.channels_workers.tasks.functions import task

#: How long a task waits to be let go (s).
TIMEOUT = 60


def _hold(context: Any, text: str) -> str:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.rpush("begun", f"{text} {context.attempt}")
        assert client.blpop(["let_go"], TIMEOUT)
        client.rpush("ran", text)
    return text


def _note(text: str) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.rpush("ran", text)


def _die() -> None:
    signal.pthread_kill(threading.get_ident(), signal.SIGKILL)


@once
def _store(context: Any, trouble: str) -> str:
    """Store a row and send; in the first attempt, die before the commit or after it."""
    Room.objects.create(name="room", label=f"{context.attempt}-{os.getpid()}")
    Channel("noted").send({"text": trouble})
    if context.attempt == 1:
        if trouble == "before":
            _die()
        transaction.on_commit(_die)
    return trouble


def noted(message: Message) -> None:
    """Say in Redis what a task has sent."""
    _note(message["text"])


channel_routing = [route("noted", noted)]
hold = task(_hold, takes_context=True)
note = task(_note)
store = task(_store, takes_context=True)
