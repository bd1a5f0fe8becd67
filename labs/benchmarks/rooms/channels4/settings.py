"""Settings of the room on Channels 4, as its tutorial gives them."""

from labs.benchmarks.rooms.common import *  # noqa: F403
from labs.benchmarks.rooms.common import layer

INSTALLED_APPS = ["daphne"]
ASGI_APPLICATION = "labs.benchmarks.rooms.channels4.asgi.application"
CHANNEL_LAYERS = {"default": layer()}
