"""Which consumer runs for which channel."""

from channels_workers import route
from labs.faults.application.with_once import consumers

channel_routing = [
    route("websocket.connect", consumers.connect, path=r"^/room/(?P<room>\w+)/$"),
    route("websocket.receive", consumers.receive, path=r"^/room/\w*[02468]/$"),
    route("websocket.receive", consumers.receive_in_loop),
    route("websocket.disconnect", consumers.disconnect),
    route("orders", consumers.take_order),
]
