"""Settings of the room on Channels 4, as its tutorial gives them."""

from benchmarks.rooms.common import *  # noqa: F403
from benchmarks.rooms.common import layer

INSTALLED_APPS = ["daphne"]
ASGI_APPLICATION = "benchmarks.rooms.channels4.asgi.application"
CHANNEL_LAYERS = {"default": layer()}
