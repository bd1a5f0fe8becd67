"""The room on python-socketio, in the shape of its documentation.

Its sockets speak Socket.IO. The room is in the ``auth`` of the connection, and each frame of the
other rooms is an event ``message`` here.
"""

from __future__ import annotations

from typing import Any

import socketio

from labs.benchmarks.rooms.common import given
from labs.benchmarks.rooms.frames import fields_from

#: redis-py 8 ends a subscription that was silent for five seconds, unless this is off.
manager = socketio.AsyncRedisManager(given["redis"], redis_options={"socket_timeout": None})
sio = socketio.AsyncServer(async_mode="asgi", client_manager=manager)
application = socketio.ASGIApp(sio)


@sio.event
async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
    """Let a socket into its room."""
    await sio.save_session(sid, {"room": auth["room"]})
    await sio.enter_room(sid, auth["room"])


@sio.event
async def message(sid: str, data: dict[str, str]) -> None:
    """Tell the room."""
    session = await sio.get_session(sid)
    await sio.emit("message", fields_from(data), room=session["room"])
