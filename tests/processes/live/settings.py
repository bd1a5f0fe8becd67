"""The settings; REDIS_URL chooses the layer, DATABASE the file of the tests' database."""

import os
from pathlib import Path

SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "channels_workers",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
]
ROOT_URLCONF = "tests.processes.live.urls"
ASGI_APPLICATION = "tests.processes.live.asgi.application"
CHANNEL_ROUTING = "tests.processes.live.urls.channel_routing"
CHANNEL_WORKERS = {"HTTP": os.environ.get("HTTP", "interface"), "HANDSHAKE_TIMEOUT": 60}
CHANNEL_LAYERS = {
    "default": (
        {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": os.environ["REDIS_URL"].split(","), "prefix": "live"},
        }
        if "REDIS_URL" in os.environ
        else {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}
    )
}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE"],
        "TEST": {"NAME": f"{os.environ['DATABASE']}.test"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
STATICFILES_DIRS = [Path(__file__).parent / "static"]
USE_TZ = True
