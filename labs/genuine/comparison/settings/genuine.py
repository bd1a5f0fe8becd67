"""Settings for the packages of 2017, according to their documentation."""

from labs.genuine.comparison.settings.common import *  # noqa: F403
from labs.genuine.comparison.settings.common import INSTALLED_APPS, given

INSTALLED_APPS = ["channels", *INSTALLED_APPS]
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "asgi_redis.RedisChannelLayer",
        "CONFIG": {"hosts": [given["redis"]], **given["layer"]},
        "ROUTING": given["routing"],
    },
}
