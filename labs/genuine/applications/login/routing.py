"""A path for each way to identify the user."""

from channels import include, route

from . import members, sessions

members_routing = [
    route("websocket.connect", members.connect_or_close, path=r"^close/$"),
    route("websocket.connect", members.connect_or_reject, path=r"^reject/$"),
    route("websocket.connect", members.connect_or_deny, path=r"^deny/$"),
    route("websocket.receive", members.receive),
    route("websocket.disconnect", members.disconnect),
]

sessions_routing = [
    route("websocket.connect", sessions.connect_whoami, path=r"^/whoami/$"),
    route("websocket.receive", sessions.receive_whoami, path=r"^/whoami/$"),
    route("websocket.connect", sessions.connect_colour, path=r"^/colour/$"),
    route("websocket.receive", sessions.receive_colour, path=r"^/colour/$"),
    route("websocket.connect", sessions.connect_both, path=r"^/both/$"),
    route("websocket.receive", sessions.receive_both, path=r"^/both/$"),
    route("websocket.connect", sessions.connect_transfer, path=r"^/transfer/$"),
    route("websocket.receive", sessions.receive_transfer, path=r"^/transfer/$"),
]

channel_routing = [
    include(members_routing, path=r"^/members/"),
    include(sessions_routing),
]
