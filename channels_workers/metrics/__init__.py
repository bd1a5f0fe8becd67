"""Metrics for Prometheus. Everything here needs the extra ``metrics``."""

from __future__ import annotations

from importlib.util import find_spec

from django.core.exceptions import ImproperlyConfigured

if find_spec("prometheus_client") is None:
    raise ImproperlyConfigured(
        "Metrics need the package prometheus-client. Install it: "
        "pip install 'channels-workers[metrics]'. Or remove METRICS_PORT from CHANNEL_WORKERS."
    )
