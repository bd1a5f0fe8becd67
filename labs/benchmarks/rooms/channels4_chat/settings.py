"""The chat's settings, with the layer of Channels 4 in place of workers."""

from chat_project.settings import *  # noqa: F403
from chat_project.settings import INSTALLED_APPS as APPS
from chat_project.settings import REDIS_URL

INSTALLED_APPS = [app for app in APPS if app != "channels_workers"]
ASGI_APPLICATION = "labs.benchmarks.rooms.channels4_chat.asgi.application"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    },
}
