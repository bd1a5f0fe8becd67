"""Settings of a site below an optional prefix. Pages and sockets report what they see.

Consumers report their path and prefix. So does a class of Channels 4 at `/class/`.
"""

import os

from channels.generic.websocket import WebsocketConsumer
from django.http import HttpRequest, HttpResponse
from django.urls import re_path, reverse

from channels_workers import route
from channels_workers.message import Message
from chat_project.settings import *  # noqa: F403

ROOT_URLCONF = "tests.processes.mounted"
CHANNEL_ROUTING = "tests.processes.mounted.channel_routing"
FORCE_SCRIPT_NAME = os.environ.get("PREFIX")


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.path_info} {request.path} {reverse('page')}")


def connect(message: Message) -> None:
    message.reply_channel.send({"text": f"{message['path']} {message['root_path']}"})


def receive(message: Message) -> None:
    message.reply_channel.send({"text": message["path"]})


class InServer(WebsocketConsumer):
    def connect(self) -> None:
        self.accept()
        self.send(f"{self.scope['path']} {self.scope['root_path']}")


urlpatterns = [re_path("", page, name="page")]
channel_routing = [
    route("websocket.connect", connect, path="^/board/$"),
    route("websocket.receive", receive, path="^/board/$"),
]
