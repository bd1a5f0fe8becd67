"""Settings of the rooms whose tasks have ``@once``."""

from labs.faults.application.with_tasks.settings import *  # noqa: F403

TASKS_HAVE_ONCE = True
