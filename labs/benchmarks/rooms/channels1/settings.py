"""Settings of the room on Channels 1.1.8, as its documentation gives them."""

from labs.benchmarks.rooms.common import *  # noqa: F403
from labs.benchmarks.rooms.common import layer

INSTALLED_APPS = ["channels"]
#: Its documentation advises against database sessions, which are the default.
SESSION_ENGINE = "labs.benchmarks.rooms.channels1.sessions"
CHANNEL_LAYERS = {
    "default": {**layer(), "ROUTING": "labs.benchmarks.rooms.channels1.routing.channel_routing"},
}
