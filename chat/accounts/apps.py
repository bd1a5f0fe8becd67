"""The accounts: a Django app inside the chat."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The app "accounts". Its users are those of ``django.contrib.auth``."""

    name = "chat.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the signals of users."""
        from chat.accounts import signals  # noqa: PLC0415  models need the loaded apps

        signals.connect()
