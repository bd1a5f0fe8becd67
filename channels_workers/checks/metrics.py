"""System check of metrics: they need a package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from channels_workers.conf import configuration

PACKAGE = "prometheus_client"


@register("channels_workers")
def check_metrics(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the package of METRICS_PORT is installed."""
    try:
        port = configuration().METRICS_PORT
    except ImproperlyConfigured:  # another check says so
        return []
    if port == "" or find_spec(PACKAGE) is not None:
        return []
    return [
        Error(
            "CHANNEL_WORKERS['METRICS_PORT'] is set, and the package prometheus-client is not "
            "installed.",
            hint="pip install 'channels-workers[metrics]', or remove METRICS_PORT.",
            id="channels_workers.E027",
        )
    ]
