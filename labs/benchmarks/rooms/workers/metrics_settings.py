"""The same with metrics: each process serves them on the first free port."""

from labs.benchmarks.rooms.workers.settings import *  # noqa: F403

CHANNEL_WORKERS = {"METRICS_PORT": "21000-21999"}
