"""Routes to classes, with and without attributes."""

from channels import include, route_class

from .content import Guests, Members, Tasks
from .frames import Counter, Room
from .streams import Desk

content_routing = [
    route_class(Members, path=r"^members/$"),
    Members.as_route(path=r"^members/(?P<kind>[a-z]+)/$"),
    Guests.as_route(path=r"^guests/$"),
    Guests.as_route(attrs={"greeting": "good day"}, path=r"^guests/formal/$"),
]

channel_routing = [
    route_class(Room, path=r"^/rooms/(?P<room>[a-z]+)/$"),
    Counter.as_route(path=r"^/counter/$"),
    Counter.as_route(attrs={"last": 2}, path=r"^/counter/short/$"),
    route_class("generics.frames.Door", path=r"^/doors/(?P<how>[a-z]+)/$"),
    include(content_routing, path=r"^/json/"),
    route_class(Desk, path=r"^/desks/(?P<desk>\w+)/$"),
    route_class(Tasks),
]
