"""The chat as a Django app."""

from django.apps import AppConfig

from channels_workers.signals import worker_ready


class ChatConfig(AppConfig):
    """Named "chat", with 64-bit ids."""

    name = "chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let workers look at their start who is in the rooms no more."""
        from chat import expire_presence  # noqa: PLC0415  (models are there from now on)

        worker_ready.connect(expire_presence.on_worker_ready)
