"""What the interface servers of the room on channels_workers serve."""

from channels_workers.asgi import get_application

application = get_application()
