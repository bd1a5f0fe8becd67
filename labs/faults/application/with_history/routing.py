"""Which consumer runs for which channel."""

from channels_workers import route
from labs.faults.application import consumers
from labs.faults.application.with_history.consumers import connect, receive

channel_routing = [
    route("websocket.connect", connect, path=r"^/room/(?P<room>\w+)/$"),
    route("websocket.receive", receive),
    route("websocket.disconnect", consumers.disconnect),
]
