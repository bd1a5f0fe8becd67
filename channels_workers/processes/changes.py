"""Notices changed code, for ``runworker --reload``, as Django's ``runserver`` does."""

from __future__ import annotations

import logging
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.apps import apps
from django.utils import autoreload

from channels_workers.concurrency.threads import Duty
from channels_workers.logs import fields

logger = logging.getLogger(__name__)


def watch_code(tell: Callable[[], None]) -> None:
    """Call *tell* in a thread, each time that code of this process has changed on disk.

    Files that Django reloads by itself, such as templates, do not count.
    """

    def watch() -> None:
        autoreload.autoreload_started.connect(watch_apps)
        logger.info("Watching the code for changes", extra=fields("code_watched"))
        while True:
            try:
                autoreload.get_reloader().run(threading.main_thread())
            except SystemExit:  # how the reloader ends runserver
                tell()

    Duty("changes of the code", watch).start()


def watch_apps(sender: autoreload.BaseReloader, **kwargs: Any) -> None:
    """Also watch files of the project's own apps that are not loaded: they may hold the cure."""
    installed = Path(sysconfig.get_path("purelib"))
    for app in apps.get_app_configs():
        if not Path(app.path).is_relative_to(installed):
            sender.watch_dir(app.path, "**/*.py")
