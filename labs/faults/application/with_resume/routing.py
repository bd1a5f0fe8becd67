"""Which consumer runs for which channel."""

from channels_workers import route
from labs.faults.application import consumers
from labs.faults.application.with_resume.consumers import resume

channel_routing = [
    route("websocket.connect", consumers.connect, path=r"^/room/(?P<room>\w+)/$"),
    route("websocket.receive", consumers.receive),
    route("websocket.resume", resume),
    route("websocket.disconnect", consumers.disconnect),
]
