"""What the interface servers of the chat's room on Channels 4 serve."""

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import re_path

pages = get_asgi_application()

# Its models need the setup in the line above.
from labs.benchmarks.rooms.channels4_chat.consumers import ChatConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AllowedHostsOriginValidator(
            URLRouter([re_path(r"^chat/(?P<label>[\w-]+)/$", ChatConsumer.as_asgi())])
        ),
    }
)
