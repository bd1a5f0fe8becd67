"""Settings of a site with tasks, which are in `background_tasks.py`."""

import os

from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS as CHAT
from tests.settings import INSTALLED_APPS as WITH_TASKS

INSTALLED_APPS = WITH_TASKS
CHANNEL_ROUTING = "tests.processes.background_tasks.channel_routing"
EVERY = {"task": "tests.processes.background_tasks.note", "every": 2, "args": ["tick"]}
SCHEDULE = {"ticks": EVERY} if "TICKS" in os.environ else {}
TASKS = {
    "default": {
        "BACKEND": "channels_workers.tasks.TaskBackend",
        "OPTIONS": {"SCHEDULE": SCHEDULE},
    }
}
CHANNEL_WORKERS = {**CHAT, "DELIVERIES": int(os.environ.get("DELIVERIES", "3"))}
CHANNEL_WORKERS |= {"STOP_TIMEOUT": float(os.environ.get("STOP_TIMEOUT", "25"))}
