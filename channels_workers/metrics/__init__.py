"""Metrics for Prometheus. Everything here needs the extra ``metrics``."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

try:
    import prometheus_client  # noqa: F401  (only to know that it is there)
except ImportError as error:
    raise ImproperlyConfigured(
        "Metrics need the package prometheus-client, version 0.21 or later. Install it: "
        "pip install 'channels-workers[metrics]'. Or remove METRICS_PORT from CHANNEL_WORKERS."
    ) from error

from channels_workers.metrics.beginning import register

__all__ = ["register"]
