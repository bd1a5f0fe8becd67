"""What the interface servers of the room on Channels 4 serve."""

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

from labs.benchmarks.rooms.channels4.consumers import ChatConsumer

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([re_path(r"^chat/(?P<room_name>[\w-]+)/$", ChatConsumer.as_asgi())]),
    }
)
