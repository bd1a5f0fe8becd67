"""A backend for Django's tasks: ``TASKS`` sends them through the channel layer to the workers.

It needs Django 6, or the package ``django-tasks``; ``pip install channels-workers[tasks]`` installs
that. The app ``channels_workers.tasks`` must be in ``INSTALLED_APPS``.
"""

from channels_workers.tasks.backend import TaskBackend
from channels_workers.tasks.retries import retry

__all__ = ["TaskBackend", "retry"]
