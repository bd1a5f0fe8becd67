"""Settings of a site with tasks, which are in `background_tasks.py`."""

import os

from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS as CHAT
from tests.settings import INSTALLED_APPS as WITH_TASKS

INSTALLED_APPS = WITH_TASKS
TASKS = {"default": {"BACKEND": "channels_workers.tasks.TaskBackend"}}
CHANNEL_WORKERS = {**CHAT, "STOP_TIMEOUT": float(os.environ.get("STOP_TIMEOUT", "25"))}
