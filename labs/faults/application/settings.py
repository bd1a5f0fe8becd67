"""Settings of the project under load. The harness passes the rest in the variable FAULTS."""

import json
import os
from typing import Any

#: Written by ``site.Site``: the address of Redis, the hosts of the layer, the folder of diaries,
#: CHANNEL_WORKERS.
given: dict[str, Any] = json.loads(os.environ["FAULTS"])

SECRET_KEY = "faults"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels_workers"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "labs.faults.application.urls"
ASGI_APPLICATION = "labs.faults.application.asgi.application"
USE_TZ = True
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": given["hosts"], "prefix": "faults"},
    },
}
CHANNEL_ROUTING = "labs.faults.application.routing.channel_routing"
CHANNEL_WORKERS = given["limits"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django": {"handlers": []}},
}
