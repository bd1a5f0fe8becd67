"""The ASGI application of `mistakes`."""

from channels_workers.asgi import get_application

application = get_application()
