"""Settings, a page that sends in a transaction, and workers whose relay gets into trouble.

`/<trouble>/<text>/` sends the text to all sockets. In `AT_COMMIT` are the troubles of the server.
Those of the first relay that meets one wait in the Redis key `trouble`.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import redis
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from channels_workers import Group, route
from channels_workers.message import Message
from channels_workers.relay import rows
from channels_workers.relay.relay import Relay
from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS, REDIS_URL

CHANNEL_ROUTING = "tests.processes.stored.channel_routing"
CHANNEL_WORKERS = {**CHANNEL_WORKERS, "RELAY": ["default"]}
ROOT_URLCONF = "tests.processes.stored"

TROUBLE = "trouble"


# os.kill() may stop another thread first, and this one would go on for a moment.


def kill() -> None:
    signal.pthread_kill(threading.get_ident(), signal.SIGKILL)


def freeze() -> None:
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def end_server() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def troubled(call: Callable[..., Any], step: str) -> Callable[..., Any]:
    """*call*, before which the trouble of this *step* happens."""

    def troubled_call(*args: Any) -> Any:
        with redis.Redis.from_url(REDIS_URL) as client:
            name = (client.get(TROUBLE) or b"").decode()
            if name.endswith(step) and client.delete(TROUBLE):
                kill() if name.startswith("killed") else freeze()
        return call(*args)

    return troubled_call


rows.delete = troubled(rows.delete, "-sent")
Relay._send = troubled(Relay._send, "-read")  # type: ignore[method-assign]


def send(request: HttpRequest, trouble: str, text: str) -> HttpResponse:
    with transaction.atomic():
        if trouble == "killed-server":
            transaction.on_commit(end_server)  # before the nudge
        Group("all").send({"text": text}, in_transaction="default")
        transaction.set_rollback(trouble == "undone")
    return HttpResponse("sent")


urlpatterns = [path("<trouble>/<text>/", send)]


def connected(message: Message) -> None:
    message.reply_channel.send({"accept": True})
    Group("all").add(message.reply_channel)
    message.reply_channel.send({"text": "welcome"})


channel_routing = [route("websocket.connect", connected)]
