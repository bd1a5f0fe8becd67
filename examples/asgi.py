"""Class-based consumers and plain ASGI beside the worker-style chat.

    daphne examples.asgi:application

The deployed chat does not mount it, because it bypasses the chat's checks.
"""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path, re_path

from channels_workers.asgi import get_application
from chat.names import LABEL
from examples.consumers import AsyncChatConsumer, ChatConsumer, EchoConsumer
from examples.ping import ping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat_project.settings")

# Sockets through workers, HTTP through Django, and lifespan.
workers = get_application()

from examples.database import HistoryConsumer, UserConsumer  # noqa: E402  (Django is set up now)

# Only pages of this site may open these. Their consumers have the user in `self.scope["user"]`.
consumers = AllowedHostsOriginValidator(
    AuthMiddlewareStack(
        URLRouter(
            [
                path("echo/", EchoConsumer.as_asgi()),
                path("user/", UserConsumer.as_asgi()),
                re_path(rf"^chat/(?P<room_name>{LABEL})/$", ChatConsumer.as_asgi()),
                re_path(rf"^async-chat/(?P<room_name>{LABEL})/$", AsyncChatConsumer.as_asgi()),
                re_path(rf"^history/(?P<room_name>{LABEL})/$", HistoryConsumer.as_asgi()),
            ]
        )
    )
)

application = ProtocolTypeRouter(
    {
        "http": workers,
        "lifespan": workers,
        "websocket": URLRouter(
            [
                path("ws/ping/", ping),  # type: ignore[arg-type]  # no view of Django
                re_path("^ws/", consumers),
                # Everything else. Function consumers check the path and the origin themselves.
                re_path("", workers),  # type: ignore[arg-type]
            ]
        ),
    }
)
