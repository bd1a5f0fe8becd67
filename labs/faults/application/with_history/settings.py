"""Settings of the rooms with history."""

from labs.faults.application.settings import *  # noqa: F403
from labs.faults.application.settings import given

CHANNEL_ROUTING = "labs.faults.application.with_history.routing.channel_routing"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
        "CONFIG": {
            "hosts": given["hosts"],
            "prefix": "faults",
            "history": {"room-*": {"messages": 1000, "seconds": 600}},
        },
    },
}
