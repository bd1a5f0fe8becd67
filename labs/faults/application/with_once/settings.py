"""Settings of the rooms with ``@once``. libpq reads the address of the server from PGHOST."""

from labs.faults.application.settings import *  # noqa: F403

ROOT_URLCONF = "labs.faults.application.with_once.urls"
CHANNEL_ROUTING = "labs.faults.application.with_once.routing.channel_routing"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "chat",
        "USER": "chat",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 3},
    },
}
