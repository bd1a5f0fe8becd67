"""Settings of the rooms with tasks, on those with ``@once``."""

from labs.faults.application.with_once.settings import *  # noqa: F403
from labs.faults.application.with_once.settings import LOGGING

INSTALLED_APPS = ["channels_workers", "channels_workers.tasks"]
CHANNEL_ROUTING = "labs.faults.application.with_tasks.routing.channel_routing"
TASKS = {"default": {"BACKEND": "channels_workers.tasks.TaskBackend"}}
# django_tasks writes two lines for each task, at INFO.
LOGGING = LOGGING | {
    "loggers": {"django": {"handlers": []}, "django_tasks": {"level": "WARNING"}},
}
