"""Settings of the room whose consumer waits."""

from labs.benchmarks.rooms.workers.settings import *  # noqa: F403

CHANNEL_ROUTING = "labs.benchmarks.rooms.workers.waiting.channel_routing"
