"""The Django application; in INSTALLED_APPS before static files and ``channels``."""

from django.apps import AppConfig
from django.apps import apps as installed

from channels_workers.binding.base import BindingMetaclass
from channels_workers.tracing import switch

__all__ = ["ChannelsWorkersConfig"]


class ChannelsWorkersConfig(AppConfig):
    """Brings the management commands, system checks, data bindings and pages of the admin."""

    name = "channels_workers"
    verbose_name = "Channels workers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register checks, data bindings and pages of the admin; switch tracing on or off."""
        # Apps must be ready.
        from channels_workers.checks import (  # noqa: PLC0415
            admin,  # noqa: F401
            apps,  # noqa: F401
            configuration,  # noqa: F401
            consumers,  # noqa: F401
            deployment,  # noqa: F401
            envelope,  # noqa: F401
            metrics,  # noqa: F401
            once,  # noqa: F401
            relay,  # noqa: F401
            routes,  # noqa: F401
            routing,  # noqa: F401
            tokens,  # noqa: F401
        )

        BindingMetaclass.register_all()
        switch.set_up()
        if installed.is_installed("django.contrib.admin"):
            from channels_workers.admin.sites import register  # noqa: PLC0415  (as above)

            register()
