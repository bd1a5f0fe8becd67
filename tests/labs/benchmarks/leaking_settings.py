"""Settings of the room with a leak."""

from labs.benchmarks.rooms.soak.settings import *  # noqa: F403

CHANNEL_ROUTING = "tests.labs.benchmarks.leaking.channel_routing"
