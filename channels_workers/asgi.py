"""The ASGI application of an interface server, and the configured channel layers."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import django
from django.apps import apps
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

from channels_workers import exporter
from channels_workers.conf import http_by_interface
from channels_workers.interface.application import Interface
from channels_workers.interface.script_name import at_script_name
from channels_workers.interface.servers.daphne.twisted import (
    show_warnings,
    when_running,
    widen_backlogs,
)
from channels_workers.interface.types import Application
from channels_workers.logs import fields
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, channel_layers, get_channel_layer

__all__ = ["at_script_name", "channel_layers", "get_application", "get_channel_layer"]

logger = logging.getLogger(__name__)

NOT_INSTALLED = (
    "INSTALLED_APPS lacks 'channels_workers', so manage.py has no runworker, runserver starts no "
    "workers, and no system check of the engine runs. Put it first in INSTALLED_APPS"
)


def get_application(
    http: Application | None = None, alias: str = DEFAULT_CHANNEL_LAYER
) -> Interface:
    """Return the application that passes sockets to workers, and HTTP to Django or to *http*.

    ``CHANNEL_WORKERS["HTTP"]`` may leave HTTP to workers, too. If it leaves all of it to them, this
    process loads neither middleware nor views.

    Call it in ``asgi.py``. It sets Django up. *alias* names the layer in ``CHANNEL_LAYERS``. A
    server may fork after it has imported this, so the layer connects only when the event loop
    runs.
    """
    django.setup(set_prefix=False)
    if not apps.is_installed("channels_workers"):
        logger.warning(NOT_INSTALLED, extra=fields("app_missing"))
    exporter.record(alias=alias)
    if http is None:
        http = get_asgi_application() if http_by_interface() else _nobody
    interface = Interface(http, partial(get_channel_layer, alias))
    when_running(show_warnings)
    when_running(widen_backlogs)
    when_running(interface.get_ready)
    return interface


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    """Refuse to answer HTTP, which the setting left to workers when the process started."""
    raise ImproperlyConfigured(
        "This server started with CHANNEL_WORKERS['HTTP'] = 'workers', so it has no Django "
        "application. Restart it."
    )
