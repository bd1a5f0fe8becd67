"""Settings of the tasks on this package."""

import os

from labs.benchmarks.runners.databases import databases

SECRET_KEY = "benchmark"
DEBUG = False
INSTALLED_APPS = ["channels_workers", "channels_workers.tasks"]
USE_TZ = True
DATABASES = databases()
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    },
}
CHANNEL_ROUTING: list[object] = []
TASKS = {"default": {"BACKEND": "channels_workers.tasks.TaskBackend"}}
