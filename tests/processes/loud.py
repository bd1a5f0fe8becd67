"""The chat's settings for `loud_chat`: its consumers put message texts into exceptions."""

import logging
from typing import Any

from channels_workers import Group, route
from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS as CHAT

CHANNEL_ROUTING = "tests.processes.loud.routing"
CHANNEL_WORKERS = {**CHAT, "REQUEST_ID_HEADER": "X-Request-ID"}


def connect(message: Any) -> None:
    Group("all").add(message.reply_channel)
    logging.getLogger("a.project").info("Somebody comes")
    message.reply_channel.send({"accept": True})


def fail(message: Any) -> None:
    try:
        int(message["text"])
    except ValueError as error:
        raise RuntimeError(f"It is no number: {message['text']}") from error


routing = [route("websocket.connect", connect), route("websocket.receive", fail)]
