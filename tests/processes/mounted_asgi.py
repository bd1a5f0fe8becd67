"""The application of `mounted.py`: Channels 4 serves `/class/`, workers serve the rest."""

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path, re_path

from channels_workers.asgi import at_script_name, get_application

workers = get_application()

from tests.processes.mounted import InServer  # noqa: E402  (Django is set up now)

application = at_script_name(
    ProtocolTypeRouter(
        {
            "http": workers,
            "lifespan": workers,
            "websocket": URLRouter(
                [
                    path("class/", InServer.as_asgi()),  # type: ignore[arg-type]
                    re_path("", workers),  # type: ignore[arg-type]
                ]
            ),
        }
    )
)
