"""Settings, routing and consumers with the mistakes of docs/reference/mistakes.md.

`ROUTING` names one of the routings, and `CHANGE` is a change of the settings.
"""

import os
import time
from typing import Any

from channels_workers import Channel, Group, route
from channels_workers.security.websockets import allowed_hosts_only

DEBUG = True
SECRET_KEY = "for these tests"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
INSTALLED_APPS = ["channels_workers", "django.contrib.staticfiles"]
STATIC_URL = "static/"
ROOT_URLCONF = __name__
urlpatterns: list[Any] = []
ASGI_APPLICATION = "tests.processes.mistakes_asgi.application"
CHANNEL_ROUTING: str | None = f"{__name__}.{os.environ.get('ROUTING', 'routing')}"
CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": 1.0, "SLOW_CONSUMER": 1.0}
MEMORY = {"default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}}
CHANNEL_LAYERS: dict[str, Any] = MEMORY
if url := os.environ.get("REDIS_URL"):
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": [url]},
        },
    }
match os.environ.get("CHANGE"):
    case "order":
        INSTALLED_APPS = ["django.contrib.staticfiles", "channels_workers"]
    case "no app":
        INSTALLED_APPS = ["django.contrib.staticfiles"]
    case "no routing":
        CHANNEL_ROUTING = None
    case "setting":
        CHANNEL_WORKERS["HANDSHAKE_TIMOUT"] = 1.0


def connect(message: Any) -> None:
    message.reply_channel.send({"accept": True})


guarded = allowed_hosts_only(connect)


def silent(message: Any) -> None:
    """Return without an answer."""


def broken(message: Any) -> None:
    message["no such key"]


def tpyo(message: Any) -> None:
    Channel("tpyo").send({})


def wrong_key(message: Any) -> None:
    message.reply_channel.send({"txt": "hi"})


def wrong_type(message: Any) -> None:
    message.reply_channel.send({"text": {"a": 1}})


def wrong_code(message: Any) -> None:
    message.reply_channel.send({"close": 70000})


def returning(message: Any) -> Any:
    return {"text": "hi"}


def not_awaited(message: Any) -> None:
    message.reply_channel.asend({"text": "hi"})


async def blocking(message: Any) -> None:
    time.sleep(1.5)  # noqa: ASYNC251  (the mistake)


def slow(message: Any) -> None:
    time.sleep(1.5)


def wrong_group(message: Any) -> None:
    Group("the room").send({"text": "hi"})


def not_encodable(message: Any) -> None:
    message.reply_channel.send({"text": object()})


def without_session(message: Any) -> None:
    message.channel_session["name"] = "ann"


RECEIVERS = [
    *(broken, tpyo, wrong_key, wrong_type, wrong_code, returning, not_awaited, blocking, slow),
    *(wrong_group, not_encodable, without_session, silent),
]


def routes_of(consumer: Any) -> list[Any]:
    path = rf"^/{consumer.__name__}/$"
    return [
        route("websocket.connect", connect, path=path),
        route("websocket.receive", consumer, path=path),
    ]


routing = [
    *(each for consumer in RECEIVERS for each in routes_of(consumer)),
    route("websocket.connect", silent, path="^/no_answer/$"),
    route("websocket.connect", broken, path="^/raises/$"),
    route("websocket.connect", guarded, path="^/guarded/$"),
]


class Chat:
    """No consumer, and no class of channels_workers.generic."""

    def receive(self, text: str) -> None:
        """Do nothing."""


def generator(message: Any) -> Any:
    yield


misspelled = [route("websocket.recieve", silent)]
slashless = [route("websocket.connect", connect, path="^chat/$")]
plain_class = [route("websocket.receive", Chat)]
generators = [route("websocket.receive", generator)]
group_not_taken = [route("websocket.connect", connect, path=r"^/(?P<room>\w+)/$")]
hidden = [route("websocket.connect", connect, path="^/"), route("websocket.connect", broken)]
