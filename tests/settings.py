"""The settings of the tests: those of the chat, and the app of tasks, which it does not use."""

from importlib.util import find_spec

from chat_project.settings import *  # noqa: F403
from chat_project.settings import INSTALLED_APPS as OF_CHAT

#: Django 6 has the tasks itself.
PACKAGE = [] if find_spec("django.tasks") else ["django_tasks"]

INSTALLED_APPS = [*OF_CHAT, *PACKAGE, "channels_workers.tasks"]
