"""Settings of the room whose consumer computes."""

from benchmarks.rooms.workers.settings import *  # noqa: F403

CHANNEL_ROUTING = "benchmarks.rooms.workers.computing.channel_routing"
