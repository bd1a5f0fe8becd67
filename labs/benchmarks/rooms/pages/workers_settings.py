"""Settings of the site whose workers answer."""

from labs.benchmarks.rooms.pages.settings import *  # noqa: F403

CHANNEL_WORKERS = {"HTTP": "workers"}
