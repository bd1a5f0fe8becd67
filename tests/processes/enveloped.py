"""Settings of a site whose sockets speak `channels-workers.v1`, to users with tokens.

The stream `say` stores a number once and sends it to the group of `news`, which has a history. It
wants each tenth number later, once. `double` answers requests. The page at `/` is empty.
"""

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import redis
from django.http import HttpRequest, HttpResponse
from django.urls import path

from channels_workers import route_class
from channels_workers.envelope import EnvelopeConsumer, Refused, group_send, stream
from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_LAYERS as OF_CHAT
from chat_project.settings import CHANNEL_WORKERS as COMMON
from chat_project.settings import MIDDLEWARE as OF_PAGES
from chat_project.settings import REDIS_URL
from tests.processes.tokens import SECRET

ROOT_URLCONF = "tests.processes.enveloped"
MIDDLEWARE = [name for name in OF_PAGES if not name.startswith("csp.")]
CHANNEL_ROUTING = "tests.processes.enveloped.channel_routing"
CHANNEL_WORKERS = {**COMMON, "RESUME_TIME": int(os.environ.get("RESUME_TIME", "0"))}
HISTORY = {"history": {"board-*": {"messages": 1000}}}
CHANNEL_LAYERS = {
    "default": {
        **OF_CHAT["default"],
        "CONFIG": {**OF_CHAT["default"].get("CONFIG", {}), **HISTORY},
    },
}
CHANNEL_TOKENS = {
    "VALIDATORS": ["channels_workers.jwt.validate"],
    "JWT": {"KEYS": [{"ALGORITHM": "HS256", "KEY": SECRET}]},
}

#: The group with the name `news` for clients.
NEWS = "board-1"


class Board(EnvelopeConsumer):
    """Users say numbers."""

    token_user = True
    once = True
    sends: ClassVar[Mapping[str, Any]] = {"say": int}

    @stream("say")
    def say(self, payload: int) -> None:
        from chat.models import Room

        if payload % 10 == 0 and is_new(payload):
            raise Refused("later", "Slowly.", after=0.1)
        Room.objects.create(name=self.message.user.get_username(), label=f"said-{payload}")
        group_send(NEWS, payload, stream="say")

    @stream("double")
    def double(self, payload: int) -> int:
        return payload * 2

    def may_join(self, group: str) -> str | None:
        return NEWS if group == "news" else None


def is_new(number: int) -> bool:
    with redis.Redis.from_url(REDIS_URL) as client:
        return client.sadd("refused", number) == 1


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<title>Empty</title>")


urlpatterns = [path("", show)]
channel_routing = [route_class(Board, path=r"^/board/$")]
