"""The routing of the site, and one for tests."""

from channels import route, route_class

from . import consumers

channel_routing = [
    route("websocket.connect", consumers.connect_room, path=r"^/rooms/(?P<room>\w+)/$"),
    route("websocket.receive", consumers.receive_room, path=r"^/rooms/(?P<room>\w+)/$"),
    route("websocket.disconnect", consumers.disconnect_room, path=r"^/rooms/(?P<room>\w+)/$"),
    route_class(consumers.Feed, path=r"^/feed/$"),
    route("square", consumers.square),
]

work = [
    route("answer", consumers.answer),
    route("fail", consumers.fail),
    route("put.off", consumers.put_off),
    route("register", consumers.register),
    route("browser", consumers.browser),
    route("browser.user", consumers.browser_user),
    route("count", consumers.count),
    route("ordered", consumers.ordered),
    route("describe", consumers.describe),
]
