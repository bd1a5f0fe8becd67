"""Settings of a site whose consumers fail: those of `failing_consumers`."""

import os

from chat_project.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as WITH_TASKS

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = WITH_TASKS
TASKS = {"default": {"BACKEND": "channels_workers.tasks.TaskBackend"}}
CHANNEL_ROUTING = "tests.processes.failing_consumers.channel_routing"
ADMINS = [("Ann", "ann@example.com")]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = os.environ.get("MAILS", "")
