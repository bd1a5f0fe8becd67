"""A bare room that misbehaves on purpose, selected by the beginning of the path.

``/drop/chat/<room>/`` loses every tenth message, ``/duplicate`` sends it twice, ``/swap`` sends it
after the next one, ``/leak`` sends to other rooms too, ``/invent`` adds messages that nobody sent,
``/cut`` closes the sender's socket with 4999. Other paths behave correctly.

After the fault, ``/chat/<room>/`` is a socket of plain frames, ``/socket.io/`` one of Socket.IO.
"""

from __future__ import annotations

import json
from typing import Any

from labs.benchmarks.rooms.frames import frame_of

rooms: dict[str, dict[int, Any]] = {}


class Fault:
    """What happens to the messages of one socket."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.held = ""

    @property
    def is_due(self) -> bool:
        return self.number % 10 == 0

    def frames(self, frame: str) -> list[str]:
        """The frames that replace one frame."""
        if self.is_due and self.name == "swap":
            self.held = frame
            return []
        if self.held:
            frames, self.held = [frame, self.held], ""
            return frames
        invented = frame.replace(f".{self.number}.", ".99999.")
        wrong = {"drop": [], "duplicate": [frame, frame], "invent": [frame, invented]}
        return wrong.get(self.name, [frame]) if self.is_due else [frame]


async def application(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "websocket"
    fault = Fault(scope["path"].split("/")[1])
    await receive()
    await send({"type": "websocket.accept"})
    name = scope["path"]
    if "/socket.io/" in name:
        name = await open_socketio(receive, send)
        receive, send = unpacking(receive), packing(send)
    room = rooms.setdefault(name, {})
    room[id(send)] = send
    try:
        while (event := await receive())["type"] == "websocket.receive":
            fault.number += 1
            if fault.is_due and fault.name == "cut":
                await send({"type": "websocket.close", "code": 4999})
                return
            everywhere = fault.is_due and fault.name == "leak"
            for frame in fault.frames(frame_of(event["text"])):
                await tell(list(rooms.values()) if everywhere else [room], frame)
    finally:
        del room[id(send)]


async def tell(hearing: list[dict[int, Any]], frame: str) -> None:
    for room in hearing:
        for member in list(room.values()):
            await member({"type": "websocket.send", "text": frame})


async def open_socketio(receive: Any, send: Any) -> str:
    """Let a client of Socket.IO join, and return the name of its room. It must answer a ping."""
    await tell([{0: send}], '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
    joining = (await receive())["text"]
    assert joining.startswith("40")
    await tell([{0: send}], "2")
    assert (await receive())["text"] == "3"
    await tell([{0: send}], '40{"sid":"b"}')
    name: str = json.loads(joining[2:])["room"]
    return name


def unpacking(receive: Any) -> Any:
    async def unpack() -> Any:
        event = await receive()
        if event["type"] == "websocket.receive":
            name, argument = json.loads(event["text"].removeprefix("42"))
            assert name == "message"
            event["text"] = json.dumps(argument)
        return event

    return unpack


def packing(send: Any) -> Any:
    async def pack(event: Any) -> None:
        if event["type"] == "websocket.send":
            event = {**event, "text": f'42["message",{event["text"]}]'}
        await send(event)

    return pack
