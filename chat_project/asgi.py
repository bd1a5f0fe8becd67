"""The ASGI application: sockets through the channel layer, pages through Django.

``daphne chat_project.asgi:application`` (or uvicorn) serves it; ``manage.py runworker`` runs the
consumers.
"""

import os

from channels_workers.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat_project.settings")

application = get_application()

# The name from Channels 1.x, so that "daphne chat_project.asgi:channel_layer" works too.
channel_layer = application
