"""The Django application of 1.x's name. It brings nothing: delayed messages need no app."""

from django.apps import AppConfig

__all__ = ["DelayConfig"]


class DelayConfig(AppConfig):
    """Lets ``channels_workers.delay`` stay in ``INSTALLED_APPS``."""

    name = "channels_workers.delay"
    label = "channels_workers_delay"
    verbose_name = "Channels workers: delayed messages"
