"""The ASGI application of the project under load."""

import os

from channels_workers.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labs.faults.application.settings")

application = get_application()
