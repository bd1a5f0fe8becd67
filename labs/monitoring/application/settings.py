"""Settings of the site that is watched. The harness passes the rest in the variable MONITORING."""

import json
import os
from typing import Any

#: Written by ``site.Site``: the address of Redis, and the folder of the database.
given: dict[str, Any] = json.loads(os.environ["MONITORING"])

SECRET_KEY = "monitoring"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels_workers", "channels_workers.tasks"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "labs.monitoring.application.urls"
ASGI_APPLICATION = "labs.monitoring.application.asgi.application"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{given['folder']}/site.sqlite3",
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    },
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": [given["redis"]], "prefix": "monitoring"},
    },
}
CHANNEL_ROUTING = "labs.monitoring.application.routing.channel_routing"
CHANNEL_WORKERS = {
    "HTTP": {"/": "interface", "/reports/": "workers"},
    "METRICS_PORT": os.environ.get("METRICS_PORT", ""),
    "READY_PATH": "/readyz",
    "RELAY": ["default"],
    "REQUEST_BODY_SIZE": 100_000,
    "SLOW_CONSUMER": 1.0,
}
TASKS = {"default": {"BACKEND": "channels_workers.tasks.TaskBackend"}}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django": {"handlers": []}, "django_tasks": {"level": "WARNING"}},
}
