"""Which consumer runs for which channel."""

from channels.routing import route

from labs.benchmarks.rooms.channels1 import consumers

channel_routing = [
    route("websocket.connect", consumers.ws_connect, path=r"^/chat/(?P<room>[\w-]+)/$"),
    route("websocket.receive", consumers.ws_receive),
    route("websocket.disconnect", consumers.ws_disconnect),
]
