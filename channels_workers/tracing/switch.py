"""Switches the tracing of a process on or off, by its settings."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from channels_workers.conf import configuration
from channels_workers.tracing import hooks

#: It needs an optional package, so nothing else imports it.
SPANS = "channels_workers.tracing.spans.Spans"


def set_up() -> None:
    """Let the process trace if ``TRACING`` is true.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` if that needs a package which is
    not installed. Of other settings that are wrong, a system check tells.
    """
    is_on = False
    with suppress(ImproperlyConfigured):
        is_on = configuration().TRACING
    hooks.active = _made() if is_on else None


def _made() -> hooks.Tracing:
    try:
        spans = import_string(SPANS)
    except ImportError as error:
        raise ImproperlyConfigured(
            "CHANNEL_WORKERS['TRACING'] needs the package opentelemetry-api, version 1. Install "
            "it: pip install 'channels-workers[tracing]'. Or remove the setting."
        ) from error
    made: hooks.Tracing = spans()
    return made


def _reset(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_WORKERS":
        set_up()


setting_changed.connect(_reset)
