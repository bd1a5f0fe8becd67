"""The accounts as a Django app of their own, inside the chat."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Named "accounts"; the users themselves are those of ``django.contrib.auth``."""

    name = "chat.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to what happens to users."""
        from chat.accounts import signals  # noqa: PLC0415  models cannot be before the apps are

        signals.connect()
