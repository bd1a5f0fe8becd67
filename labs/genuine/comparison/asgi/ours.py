"""For Daphne 4."""

from channels_workers.asgi import get_application

application = get_application()
