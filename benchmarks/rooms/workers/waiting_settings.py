"""Settings of the room whose consumer waits."""

from benchmarks.rooms.workers.settings import *  # noqa: F403

CHANNEL_ROUTING = "benchmarks.rooms.workers.waiting.channel_routing"
