"""Which consumer runs for which channel."""

from channels_workers import route
from labs.monitoring.application import consumers

channel_routing = [
    route("websocket.connect", consumers.connect, path=r"^/room/(?P<room>\w+)/$"),
    route("websocket.connect", consumers.refuse, path=r"^/private/$"),
    route("websocket.receive", consumers.talk),
    route("websocket.disconnect", consumers.leave),
    route("shop.orders", consumers.cook),
    route("shop.reminders", consumers.remind),
]
