"""Settings and consumers of a socket whose messages are types, as a function and as a class."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from channels_workers import route, route_class
from channels_workers.message import Message
from channels_workers.schemas import TypedWebsocketConsumer, receives, sends, write
from channels_workers.sessions import channel_session
from chat_project.settings import *  # noqa: F403

CHANNEL_WORKERS = {**CHANNEL_WORKERS, "LOG_LINES_PER_MINUTE": 20}  # noqa: F405
CHANNEL_ROUTING = "tests.processes.typed.channel_routing"


@dataclass
class Say:
    text: Annotated[str, Field(max_length=20)]
    type: Literal["say"] = "say"


@dataclass
class Add:
    numbers: list[int]
    type: Literal["add"] = "add"


@dataclass
class Said:
    text: str
    type: Literal["said"] = "said"


@dataclass
class Sum:
    sum: int
    type: Literal["sum"] = "sum"


def answer_to(frame: Say | Add) -> Said | Sum:
    return Said(frame.text[::-1]) if isinstance(frame, Say) else Sum(sum(frame.numbers))


@channel_session
@receives(Say, Add)
@sends(Said, Sum)
def receive(message: Message) -> None:
    message.reply_channel.send({"text": write(answer_to(message.frame))})


class Typed(TypedWebsocketConsumer):
    receives = (Say, Add)
    sends = (Said, Sum)

    def receive(self, content: Say | Add, **kwargs: str) -> None:
        self.send(answer_to(content))


channel_routing = [
    route("websocket.receive", receive, path="^/function/$"),
    route_class(Typed, path="^/class/$"),
]
