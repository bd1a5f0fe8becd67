"""Settings of the room of the soak: those of the room on channels_workers."""

from labs.benchmarks.rooms.workers.settings import *  # noqa: F403

CHANNEL_ROUTING = "labs.benchmarks.rooms.soak.routing.channel_routing"
