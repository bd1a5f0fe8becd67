"""The ASGI application of the site that is watched."""

import os

from channels_workers.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labs.monitoring.application.settings")

application = get_application()
