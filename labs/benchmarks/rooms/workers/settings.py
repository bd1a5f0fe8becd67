"""Settings of the room on channels_workers, as docs/tutorial/board.md gives them."""

from labs.benchmarks.rooms.common import *  # noqa: F403
from labs.benchmarks.rooms.common import layer

INSTALLED_APPS = ["channels_workers"]
ASGI_APPLICATION = "labs.benchmarks.rooms.workers.asgi.application"
CHANNEL_ROUTING = "labs.benchmarks.rooms.workers.routing.channel_routing"
CHANNEL_LAYERS = {"default": layer()}
