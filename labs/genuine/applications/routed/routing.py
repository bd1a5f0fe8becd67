"""Every feature of a routing. Unrouted messages get the defaults."""

from channels import include, route

from . import consumers

doors = [
    route("websocket.connect", consumers.connect_denied, path=r"^denied/$"),
    route("websocket.connect", consumers.connect_denied_late, path=r"^denied-late/$"),
    route("websocket.connect", consumers.connect_silent, path=r"^silent/$"),
    route("websocket.connect", consumers.connect_wrong_late, path=r"^wrong-late/$"),
]

channel_routing = [
    include("routed.shops.routing", path=r"^/shops/(?P<shop>\w+)"),
    include(doors, path=r"^/(?:doors|gates)/"),
    route(
        "websocket.connect",
        consumers.connect_token,
        path=r"^/token/$",
        query_string=r"^token=(?P<token>\w+)$",
    ),
    route("websocket.connect", consumers.connect_first, path=r"^/order/(?P<number>\d+)"),
    route("websocket.connect", consumers.connect_second, path=r"^/order/(?P<name>\w+)/$"),
    include("routed.frames.routing", path=r"^/(?:shops|order|frames)/"),
    route(["routed.one", "routed.two"], consumers.relayed, kind=r"^(?P<kind>one|two)$"),
    route("routed.none", consumers.relayed_rest),
]

#: For a project with sockets and without consumers for them.
no_routing = []
