"""Clients of resumable sockets, and the consumers that they talk to."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

from channels_workers.channel import Group
from channels_workers.exceptions import DenyConnection
from channels_workers.interface.application import Interface
from channels_workers.interface.resume import wire
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.sessions import channel_session

TIMEOUT = 5
V1 = "channels-workers.v1"

Event = dict[str, Any]


class Client:
    """A client as an ASGI server shows it to the application. It counts what it receives."""

    def __init__(
        self,
        application: Interface,
        *offered: str,
        path: str = "/",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        address: str = "",
    ) -> None:
        self.incoming: asyncio.Queue[Event] = asyncio.Queue()
        self.events: list[Event] = []
        self.changed = asyncio.Condition()
        self.failure: BaseException | None = None
        named = (b"sec-websocket-protocol", ", ".join(offered).encode())
        scope = {
            "type": "websocket",
            "path": path,
            "headers": [named, *headers],
            "query_string": b"",
            "subprotocols": list(offered),
            "client": [address, 5] if address else None,
        }
        self.task = asyncio.create_task(application(scope, self.incoming.get, self._take))
        self.task.add_done_callback(self._note_end)
        self.incoming.put_nowait({"type": "websocket.connect"})

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.failure = task.exception()
            self.waker = asyncio.ensure_future(self._wake())

    async def _wake(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _take(self, event: Event) -> None:
        self.events.append(event)
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT), self.changed:
            await self.changed.wait_for(lambda: self.failure or condition())
        if self.failure:
            raise self.failure

    async def answered(self) -> "Client":
        await self.until(lambda: self.frames or self.is_closed)
        return self

    async def refused(self) -> None:
        await self.until(lambda: self.is_closed)
        assert [each["type"] for each in self.events] == ["websocket.close"]
        self.lose()

    async def closed(self) -> int:
        await self.until(lambda: self.is_closed)
        self.lose(self.events[-1]["code"])
        return int(self.events[-1]["code"])

    def send(self, text: str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": text, "bytes": None})

    def lose(self, code: int = 1006) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    async def lost(self, code: int = 1006) -> None:
        self.lose(code)
        await asyncio.wait_for(asyncio.shield(self.task), TIMEOUT)

    @property
    def is_closed(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] == "websocket.close"

    @property
    def frames(self) -> list[Any]:
        return [
            each.get("text", each.get("bytes"))
            for each in self.events
            if each["type"] == "websocket.send"
        ]

    @property
    def answer(self) -> dict[str, Any]:
        """The first frame."""
        assert self.events[0]["type"] == "websocket.accept"
        return dict(json.loads(self.frames[0]))

    @property
    def counted(self) -> list[Any]:
        return [each for each in self.frames if not str(each).startswith(wire.OWN_FRAME)]

    def resume(self, received: int | None = None) -> str:
        """The subprotocol that goes on with its connection."""
        count = len(self.counted) if received is None else received
        return f"resume.{self.answer['token']}.{count}"


class Consumers:
    """They echo, and note what runs. Frames that are a number wait until `go_on`."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self.go_on = threading.Event()
        self.refuses = False
        self.answers: dict[str, Any] = {}

    def note(self, what: str, value: Any) -> None:
        self.seen.append((what, value))
        self.loop.call_soon_threadsafe(self.changed.set)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                await self.changed.wait()
                self.changed.clear()

    def values(self, what: str) -> list[Any]:
        return [value for name, value in self.seen if name == what]

    @channel_session
    def connect(self, message: Message) -> None:
        self.note("connect", message.reply_channel.name)
        message.channel_session["frames"] = []
        Group("room", channel_layer=message.channel_layer).add(message.reply_channel)
        message.reply_channel.send({"accept": True})

    @channel_session
    def receive(self, message: Message) -> None:
        text = message["text"]
        if text.startswith("wait"):
            self.note("begins", text)
            self.go_on.wait(TIMEOUT)
        message.channel_session["frames"] = [*message.channel_session["frames"], text]
        message.reply_channel.send({"text": f"echo {text}"})
        self.note("receive", text)

    @channel_session
    def resume(self, message: Message) -> None:
        self.note("resume", (message.reply_channel.name, message.channel_session["frames"]))
        if self.refuses:
            raise DenyConnection("not you")
        if self.answers:
            message.reply_channel.send(self.answers)

    @channel_session
    def disconnect(self, message: Message) -> None:
        self.note("disconnect", (message["code"], message.channel_session["frames"]))

    def router(self) -> Router:
        return Router(
            [
                route("websocket.connect", self.connect),
                route("websocket.receive", self.receive),
                route("websocket.resume", self.resume),
                route("websocket.disconnect", self.disconnect),
            ]
        )
