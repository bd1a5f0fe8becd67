"""A shelf at its path: one socket with two streams."""

from channels import route_class
from channels.generic.websockets import WebsocketDemultiplexer

from .models import BookBinding, MoveBinding


class Shelf(WebsocketDemultiplexer):
    """The streams of a shelf."""

    http_user = True
    consumers = {  # noqa: RUF012
        "books": BookBinding.consumer,
        "moves": MoveBinding.consumer,
    }

    def connection_groups(self, **kwargs):
        """Read both streams."""
        return [f"books-{kwargs['shelf']}", f"moves-{kwargs['shelf']}"]


channel_routing = [route_class(Shelf, path=r"^/shelves/(?P<shelf>[a-z]+)/$")]
