"""The ASGI application: sockets by the channel layer, pages by Django.

``daphne chat_project.asgi:application`` (or uvicorn) serves it; ``manage.py runworker`` runs the
consumers.
"""

import os

from channels_workers.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat_project.settings")

application = get_application()

# The name in projects of Channels 1.x: "daphne chat_project.asgi:channel_layer" works as well.
channel_layer = application
