"""Routes below a shop, included by their dotted path."""

from channels import include, route

shelves = [
    route("websocket.connect", "routed.consumers.connect_shop", path=r"^(?P<shelf>\d+)/$"),
    route(
        "websocket.connect",
        "routed.consumers.connect_shop",
        path=r"^(?P<shelf>\d+)/(?P<side>left|right)?$",
    ),
]

routing = [
    include("routed.shops.shelves", path=r"^/shelves/"),
    route("websocket.connect", "routed.consumers.connect_shop", path=r"^/$"),
]
