"""A bare room that misbehaves on purpose, selected by the beginning of the path.

``/drop/chat/<room>/`` loses every tenth message, ``/duplicate`` sends it twice, ``/swap`` sends it
after the next one, ``/leak`` sends to other rooms too, ``/invent`` adds messages that nobody sent,
``/cut`` closes the sender's socket with 4999. Other paths behave correctly.
"""

from __future__ import annotations

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
    room = rooms.setdefault(scope["path"], {})
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
