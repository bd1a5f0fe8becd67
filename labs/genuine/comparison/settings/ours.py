"""Settings for channels_workers, according to its documentation."""

from labs.genuine.comparison.settings.common import *  # noqa: F403
from labs.genuine.comparison.settings.common import INSTALLED_APPS, given

INSTALLED_APPS = ["channels_workers", *INSTALLED_APPS]
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": [given["redis"]], **given["layer"]},
    },
}
CHANNEL_ROUTING = given["routing"]
ASGI_APPLICATION = "labs.genuine.comparison.asgi.ours.application"
# The default is 4 s, a second less than Daphne's own: too little if the machine's clock is set
# forward.
CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": 3.0, **given["workers"]}
