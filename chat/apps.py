"""The chat as a Django app."""

from django.apps import AppConfig

from channels_workers.signals import worker_ready


class ChatConfig(AppConfig):
    """Named "chat", with 64-bit ids."""

    name = "chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Start presence expiry when a worker is ready."""
        from chat import expire_presence  # noqa: PLC0415  (models are loaded from now on)

        worker_ready.connect(expire_presence.on_worker_ready)
