"""Settings of the room whose consumer computes."""

from labs.benchmarks.rooms.workers.settings import *  # noqa: F403

CHANNEL_ROUTING = "labs.benchmarks.rooms.workers.computing.channel_routing"
