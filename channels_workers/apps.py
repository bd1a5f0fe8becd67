"""The Django application; in INSTALLED_APPS before ``daphne`` and ``channels``."""

from django.apps import AppConfig

from channels_workers.binding.base import BindingMetaclass
from channels_workers.tracing import switch

__all__ = ["ChannelsWorkersConfig"]


class ChannelsWorkersConfig(AppConfig):
    """Brings the management commands, the system checks and the data bindings."""

    name = "channels_workers"
    verbose_name = "Channels workers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks and the data bindings; switch tracing on or off."""
        # Apps must be ready.
        from channels_workers.checks import (  # noqa: PLC0415
            apps,  # noqa: F401
            configuration,  # noqa: F401
            consumers,  # noqa: F401
            deployment,  # noqa: F401
            once,  # noqa: F401
            relay,  # noqa: F401
            routes,  # noqa: F401
            routing,  # noqa: F401
        )

        BindingMetaclass.register_all()
        switch.set_up()
