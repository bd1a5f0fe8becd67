"""The Django application; in INSTALLED_APPS before ``daphne`` and ``channels``."""

from django.apps import AppConfig

__all__ = ["ChannelsWorkersConfig"]


class ChannelsWorkersConfig(AppConfig):
    """Brings the management commands and the system checks."""

    name = "channels_workers"
    verbose_name = "Channels workers"

    def ready(self) -> None:
        """Register the system checks."""
        # Apps must be ready.
        from channels_workers.checks import apps, configuration, deployment  # noqa: F401, PLC0415
